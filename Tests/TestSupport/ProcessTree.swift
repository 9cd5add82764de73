// Who descends from whom, as /proc says it.

import Glibc

/// A process as it was seen.
public struct SeenProcess: Equatable, Sendable, CustomStringConvertible {
    public let pid: pid_t
    public let name: String
    let parent: pid_t
    /// It waited for something (proc(5), state S).
    public let isAsleep: Bool
    /// Clock ticks since the machine started: another process of the same pid has others.
    let start: UInt64

    /// nil when there is none, or when it has ended and is only waited for.
    public init?(_ pid: pid_t) {
        guard let text = textOfFile("/proc/\(pid)/stat"), let open = text.firstIndex(of: "("),
            let close = text.lastIndex(of: ")")
        else { return nil }
        let fields = text[close...].split(separator: " ")
        guard fields.count > 20, fields[1] != "Z", let parent = pid_t(fields[2]), let start = UInt64(fields[20]) else {
            return nil
        }
        self.pid = pid
        isAsleep = fields[1] == "S"
        name = String(text[text.index(after: open)..<close])
        (self.parent, self.start) = (parent, start)
    }

    public static func == (a: SeenProcess, b: SeenProcess) -> Bool { a.pid == b.pid && a.start == b.start }

    /// The same one still runs.
    public var isThere: Bool { SeenProcess(pid)?.start == start }
    public var description: String { "\(pid) \(name)" }

    /// Everything that descends from `ancestor`, itself not included.
    public static func descendants(of ancestor: pid_t) -> [SeenProcess] {
        let all = names(in: "/proc").compactMap { pid_t($0) }.compactMap { SeenProcess($0) }
        var found: [SeenProcess] = []
        var parents: Set<pid_t> = [ancestor]
        while true {
            let more = all.filter { parents.contains($0.parent) && !found.contains($0) && $0.pid != ancestor }
            guard !more.isEmpty else { return found }
            found += more
            parents.formUnion(more.map(\.pid))
        }
    }
}
