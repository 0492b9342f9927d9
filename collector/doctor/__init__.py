"""The doctor: walks the line from the configuration to the receiver, and names what is in its way.

Each file looks at one part and gives findings. It only looks: it takes no lock, writes to no file
and no topic, joins no group, and what it posts to a receiver has no sample in it. So it may run
beside a collector.
"""
