// What the kernel says of a process of ours: proc_pid_stat(5). Without /proc, which the sandbox takes away, nothing is
// known.

import Glibc

/// Questions about a process that has not been reaped: its number is nobody else's.
public enum ProcessState {
    /// A signal has stopped it, and it has not been continued. False when nothing is known of it.
    public static func isStopped(_ pid: Int32) -> Bool {
        guard let text = try? SmallFile.read("/proc/\(pid)/stat", limit: 512) else { return false }
        // The name stands in parentheses and may contain some; the state is the letter behind the last one.
        guard let end = text.lastIndex(of: UInt8(ascii: ")")), end + 2 < text.count else { return false }
        return text[end + 2] == UInt8(ascii: "T")
    }
}
