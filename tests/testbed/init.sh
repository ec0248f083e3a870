#!/bin/busybox sh
# The guest's first program. The host's files lie below, read-only; the unpacked packages over them; what is written
# goes to memory; /out is the one folder that the host sees again. Then /out/job.sh runs, and its exit status goes into
# the serial log, because the emulator's own says nothing of it.
b=/bin/busybox
$b mount -t proc proc /proc
$b mount -t sysfs sysfs /sys
$b mount -t devtmpfs dev /dev
while read -r module; do
  $b insmod "/modules/$module" 2>/dev/null || echo "testbed: $module cannot be loaded"
done < /order

share="trans=virtio,version=9p2000.L,msize=512000"
$b mount -t 9p -o "ro,$share,cache=loose" host /host || echo "testbed: no host files"
$b mount -t 9p -o "ro,$share,cache=loose" packages /packages || echo "testbed: no packages"
$b mount -t tmpfs -o size=1500m tmpfs /rw
$b mkdir /rw/upper /rw/work
layers="lowerdir=/packages:/host,upperdir=/rw/upper,workdir=/rw/work"
$b mount -t overlay -o "$layers" overlay /new || echo "testbed: no overlay"
$b mkdir -p /new/proc /new/sys /new/dev /new/run /new/out
$b mount -t 9p -o "rw,$share,cache=none" out /new/out || echo "testbed: no folder for results"
for folder in proc sys dev; do $b mount --move "/$folder" "/new/$folder"; done
$b mkdir -p /new/dev/pts /new/dev/shm
$b mount -t devpts devpts /new/dev/pts
$b mount -t tmpfs tmpfs /new/dev/shm
$b mount -t tmpfs tmpfs /new/run
# Not over /tmp, where the project itself may lie; what is written there stays in memory as it is.
$b ifconfig lo 127.0.0.1 up
echo "testbed: up"
export HOME=/root PATH=/usr/sbin:/usr/bin:/sbin:/bin LC_ALL=C.UTF-8
libraries=/usr/lib/x86_64-linux-gnu
export LD_LIBRARY_PATH=$libraries/blas:$libraries/lapack:$libraries/pulseaudio
$b chroot /new /bin/sh /out/job.sh
echo "MATTECAM-TESTBED-EXIT=$?"
$b sync
$b poweroff -f
