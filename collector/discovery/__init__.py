"""Finding what there is to read: brokers, JMX ports, exporters, Connect, MirrorMaker.

What is found is said, and put into a configuration to use; nothing is changed anywhere, and nothing
is sent that a program there would act on. A port is known by what it answers, not by its number.

    listening, java, mirror_file    what this machine says of its sockets and Java processes
    line, kafka_wire, web, jvm      how each protocol is asked, and told from the others
    probing       a port, tried with one protocol after the other; many ports, a few at a time
    survey        what is asked, and what was found
    telling       the same as rows and sentences
    suggestion, linking, wording    the configuration, as text with comments
"""
