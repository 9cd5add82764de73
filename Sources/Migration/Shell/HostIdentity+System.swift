// Where this process runs, as the kernel says it.

import Glibc
import Linux

extension HostIdentity {
    /// This process; what /proc does not tell is left empty.
    public static func ofThisProcess() -> HostIdentity {
        var room = [UInt8](repeating: 0, count: MigrationLimits.name)
        var boot = ""
        let fd = open("/proc/sys/kernel/random/boot_id", O_RDONLY | O_CLOEXEC)
        if fd >= 0 {
            let count = read(fd, &room, room.count)
            close(fd)
            let text = room.prefix(max(0, count)).prefix { $0 > 0x20 && $0 < 0x7f }
            boot = String(decoding: text, as: UTF8.self)
        }
        var status = stat()
        let network = stat("/proc/self/ns/net", &status) == 0 ? UInt64(status.st_ino) : 0
        return HostIdentity(boot: boot, network: network)
    }
}
