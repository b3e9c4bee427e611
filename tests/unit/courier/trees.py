"""What the kernel shows to a container: recorded with Docker 20.10 (version 1), and as it is with version 2."""

from collections.abc import Mapping
from pathlib import Path

ID = "/docker/ff4b5ce26ec9b11eebaff9b1c96b1e0368ca0de9833c3a24330b244dc7cf61de"
ONE_GROUPS = {"cpu": "cpu", "cpuacct": "cpuacct", "memory": "memory", "blkio": "blkio", "pids": "pids"}
NET = """\
Inter-|   Receive                                                |  Transmit
 face |bytes    packets errs drop fifo frame compressed multicast|bytes    packets errs drop fifo colls carrier compressed
    lo:    1300      13    0    0    0     0          0         0     1300      13    0    0    0     0       0          0
 tunl0:       0       0    0    0    0     0          0         0        0       0    0    0    0     0       0          0
  eth0: 1048576    1024    1    2    0     0          0         0   524288     512    3    4    0     0       0          0
"""
COMMON_MOUNTS = """\
202 156 0:49 / / rw,relatime master:2 - overlay overlay rw,lowerdir=/var/lib/docker/overlay2/l/YM33,workdir=/work
203 202 0:53 / /proc rw,nosuid,nodev,noexec,relatime - proc proc rw
204 202 0:55 / /dev rw,nosuid - tmpfs tmpfs rw,size=65536k,mode=755
205 204 0:56 / /dev/pts rw,nosuid,noexec,relatime - devpts devpts rw,gid=5,mode=620,ptmxmode=666
218 204 0:60 / /dev/shm rw,nosuid,nodev,noexec,relatime - tmpfs shm rw,size=65536k
219 202 254:0 /var/lib/docker/volumes/42e7/_data /data\\040of\\040shop rw,relatime master:3 - ext4 /dev/vda rw,discard
222 202 254:0 /var/lib/docker/containers/ff4b/hostname /etc/hostname rw,relatime - ext4 /dev/vda rw,discard
166 203 0:76 / /proc/acpi ro,relatime - tmpfs tmpfs ro
169 206 0:77 / /sys/firmware ro,relatime - tmpfs tmpfs ro
"""
COMMON = {
    "proc/loadavg": "8.48 4.66 4.23 1/415 136\n",
    "proc/net/dev": NET,
    "sys/dev/block/254:0/uevent": "MAJOR=254\nMINOR=0\nDEVNAME=vda\nDEVTYPE=disk\n",
    "etc/hostname": "ff4b5ce26ec9\n",
    "data of shop/orders.db": "",
    "dev/shm/segment": "",
}
ONE: Mapping[str, str] = {
    **COMMON,
    "proc/self/cgroup": "".join(
        f"{number}:{name}:{ID}\n" for number, name in enumerate(["name=systemd", *ONE_GROUPS], 1)
    )
    + f"0::{ID}\n",
    "proc/self/mountinfo": COMMON_MOUNTS
    + "".join(
        f"2{number} 207 0:{number} {ID} /sys/fs/cgroup/{name} ro,nosuid,relatime - cgroup cgroup rw,{name}\n"
        for number, name in enumerate(ONE_GROUPS)
    ),
    "sys/fs/cgroup/cpu/cpu.cfs_period_us": "100000\n",
    "sys/fs/cgroup/cpu/cpu.cfs_quota_us": "20000\n",
    "sys/fs/cgroup/cpu/cpu.stat": "nr_periods 50\nnr_throttled 42\nthrottled_time 3300000000\nnr_bursts 0\n",
    "sys/fs/cgroup/cpuacct/cpuacct.usage": "1049470791\n",
    "sys/fs/cgroup/cpuacct/cpuacct.usage_user": "800000000\n",
    "sys/fs/cgroup/cpuacct/cpuacct.usage_sys": "200000000\n",
    "sys/fs/cgroup/memory/memory.limit_in_bytes": "134217728\n",
    "sys/fs/cgroup/memory/memory.usage_in_bytes": "67108864\n",
    "sys/fs/cgroup/memory/memory.max_usage_in_bytes": "100663296\n",
    "sys/fs/cgroup/memory/memory.failcnt": "2\n",
    "sys/fs/cgroup/memory/memory.memsw.failcnt": "15\n",
    "sys/fs/cgroup/memory/memory.oom_control": "oom_kill_disable 0\nunder_oom 0\noom_kill 2\n",
    "sys/fs/cgroup/memory/memory.stat": (
        "cache 4096\nrss 8192\nhierarchical_memory_limit 134217728\nhierarchical_memsw_limit 268435456\n"
        "total_cache 41943040\ntotal_rss 20971520\ntotal_swap 0\ntotal_inactive_file 33554432\n"
    ),
    "sys/fs/cgroup/pids/pids.current": "3\n",
    "sys/fs/cgroup/pids/pids.max": "100\n",
    "sys/fs/cgroup/pids/pids.events": "max 5\n",
    "sys/fs/cgroup/blkio/blkio.throttle.io_service_bytes_recursive": (
        "254:0 Read 8192\n254:0 Write 4096\n254:0 Sync 12288\n254:0 Async 0\n254:0 Discard 0\n254:0 Total 12288\n"
        "7:0 Read 512\n7:0 Write 0\nTotal 12800\n"
    ),
    "sys/fs/cgroup/blkio/blkio.throttle.io_serviced_recursive": (
        "254:0 Read 2\n254:0 Write 1\n7:0 Read 1\n7:0 Write 0\nTotal 4\n"
    ),
}
TWO: Mapping[str, str] = {
    **COMMON,
    "proc/self/cgroup": "0::/\n",
    "proc/self/mountinfo": COMMON_MOUNTS
    + "207 206 0:29 / /sys/fs/cgroup ro,nosuid,nodev,noexec,relatime - cgroup2 cgroup rw,nsdelegate\n",
    "sys/fs/cgroup/cgroup.controllers": "cpuset cpu io memory hugetlb pids rdma misc\n",
    "sys/fs/cgroup/cgroup.events": "populated 1\nfrozen 0\n",
    "sys/fs/cgroup/cpu.max": "20000 100000\n",
    "sys/fs/cgroup/cpu.stat": (
        "usage_usec 1049470\nuser_usec 800000\nsystem_usec 200000\nnice_usec 0\n"
        "nr_periods 50\nnr_throttled 42\nthrottled_usec 3300000\nnr_bursts 0\nburst_usec 0\n"
    ),
    "sys/fs/cgroup/memory.current": "67108864\n",
    "sys/fs/cgroup/memory.max": "134217728\n",
    "sys/fs/cgroup/memory.peak": "100663296\n",
    "sys/fs/cgroup/memory.swap.current": "0\n",
    "sys/fs/cgroup/memory.events": "low 0\nhigh 0\nmax 17\noom 3\noom_kill 2\noom_group_kill 0\n",
    "sys/fs/cgroup/memory.stat": "anon 20971520\nfile 41943040\nkernel 2912256\ninactive_file 33554432\n",
    "sys/fs/cgroup/pids.current": "3\n",
    "sys/fs/cgroup/pids.max": "100\n",
    "sys/fs/cgroup/pids.events": "max 5\n",
    "sys/fs/cgroup/io.stat": (
        "254:0 rbytes=8192 wbytes=4096 rios=2 wios=1 dbytes=0 dios=0\n"
        "7:0 rbytes=512 wbytes=0 rios=1 wios=0 dbytes=0 dios=0\n252:0 \n"
    ),
}


def plant(root: Path, tree: Mapping[str, str]) -> Path:
    """Write a tree and return its root."""
    for name, text in tree.items():
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    return root


def without(tree: Mapping[str, str], *names: str) -> dict[str, str]:
    """Return a tree without the files whose path ends in one of these names."""
    return {path: text for path, text in tree.items() if not path.endswith(names)}
