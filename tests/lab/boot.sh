# systemd as PID 1 of namespaces of its own: started by booted.py, as root, by
#
#     unshare --mount --pid --ipc --uts --fork sh boot.sh ROOT CGROUP
#
# ROOT is a directory with etc, opt and var as they shall be; /usr is the machine's, read-only, and so
# are users' numbers and the network. The kernel can't be changed from inside: /sys and /proc/sys are
# read-only, and no clock can be set, no module loaded.
set -eu
root=$1
cgroup=$2

if [ "${3:-}" != within ]; then
    echo 0 > "$cgroup/cgroup.procs"
    exec unshare --cgroup sh "$0" "$root" "$cgroup" within
fi

mount --make-rprivate /
mount --bind "$root" "$root"
cd "$root"
mkdir -p usr proc sys dev run tmp old var/lib var/log root home
for name in bin sbin lib lib64; do ln -sfn "usr/$name" "$name"; done
mount --rbind /usr usr
mount -o remount,bind,ro usr
mount -t proc proc proc
mount --bind proc/sys proc/sys
mount -o remount,bind,ro proc/sys
mount -t sysfs -o ro sysfs sys
mount -t cgroup2 cgroup sys/fs/cgroup
mount -t tmpfs -o mode=755 run run
mount -t tmpfs -o mode=1777 tmp tmp
mount -t tmpfs -o mode=755 dev dev
for name in null zero full random urandom tty; do
    : > "dev/$name"
    mount --bind "/dev/$name" "dev/$name"
done
mkdir dev/pts dev/shm
mount -t devpts -o newinstance,ptmxmode=0666,mode=620 devpts dev/pts
mount -t tmpfs -o mode=1777 shm dev/shm
ln -s pts/ptmx dev/ptmx
ln -s /proc/self/fd dev/fd

pivot_root . old
exec chroot . sh -c '
    umount -l /old
    mount --make-rshared /    # as on a machine: credentials get to a unit by this
    exec env -i container=edgevitals-lab PATH=/usr/bin:/usr/sbin setpriv \
        --bounding-set -sys_module,-sys_boot,-sys_time,-sys_rawio,-mknod \
        --inh-caps -sys_module,-sys_boot,-sys_time,-sys_rawio,-mknod \
        /lib/systemd/systemd --unit=multi-user.target --show-status=no --log-target=journal
' < /dev/null
