#!/bin/bash
# Lays out /image, the root of the image: some of Debian's packages as they are, and /opt/edgevitals.
set -euo pipefail

packages=(
    base-files libc6 libgcc-s1 libstdc++6 zlib1g libbz2-1.0 liblzma5 libexpat1 libffi8 libuuid1 libssl3
    libcrypt1 media-types
    python3-minimal python3.11-minimal libpython3.11-minimal libpython3.11-stdlib
)

# As Debian has it since 12: /bin and the like are links into /usr.
for directory in bin sbin lib lib64; do
    mkdir -p "/image/usr/$directory"
    ln -s "usr/$directory" "/image/$directory"
done
mkdir -p /image/var/lib/dpkg/status.d
for package in "${packages[@]}"; do
    dpkg-query --listfiles "$package" | sort -u | while read -r path; do
        case "$path" in
            /bin | /sbin | /lib | /lib64) ;;
            /usr/share/man/* | /usr/share/lintian/* | *changelog*) ;;
            # A path through a directory's link is kept where the link leads.
            *) if [ -L "$path" ] || [ -f "$path" ]; then
                   echo "$(realpath --no-symlinks "$(realpath "$(dirname "$path")")")/$(basename "$path")"
               fi ;;
        esac
    done | sed 's#^/##' | tar --create --directory=/ --no-recursion --files-from=- \
        | tar --extract --directory=/image
    # Where scanners look for what is inside an image without a package manager.
    dpkg-query --status "$package" > "/image/var/lib/dpkg/status.d/$package"
done

cd /image
rm -rf usr/share/i18n usr/lib/python3.11/{test,idlelib,lib2to3,pydoc_data,ensurepip}
mkdir -p opt etc/ssl/certs etc/edgevitals var/lib/edgevitals tmp
cp -a /opt/edgevitals opt/
rm -f opt/edgevitals/bin/[Aa]ctivate* opt/edgevitals/bin/cheroot usr/bin/py3*
# Of ca-certificates the bundle alone: the rest of it wants a shell.
cp /etc/ssl/certs/ca-certificates.crt etc/ssl/certs/
find . -name __pycache__ -prune -exec rm -rf {} +
# Compiled here: the root is read-only there. By content, so that no file's time matters.
python3 -m compileall -q --invalidation-mode unchecked-hash -s /image -p / usr/lib/python3.11 opt/edgevitals/lib
printf 'root:x:0:0::/:/nologin\nedgevitals:x:65532:65532::/:/nologin\n' > etc/passwd
printf 'root:x:0:\nedgevitals:x:65532:\n' > etc/group
printf 'hosts: files dns\n' > etc/nsswitch.conf
chmod 1777 tmp
chmod 700 var/lib/edgevitals
chown 65532:65532 var/lib/edgevitals
