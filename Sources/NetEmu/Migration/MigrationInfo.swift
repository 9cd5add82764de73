// What `info migrate` shows, in QEMU's words (migration-hmp-cmds.c), and behind that what only netemu knows: how long each
// phase took, and what became of connections.

import Bytes
import Migration

/// How long all back-ends of a guest took for one step of its move.
struct BackEndTime: Equatable, Sendable {
    let what: String
    let time: Interval
}

/// Where the last move stands.
struct MigrationInfo: Sendable {
    var status = MigrationStatus()
    /// The guest is to come, or came: its side of the numbers is not shown, as in QEMU.
    var isIncoming = false
    /// Where somebody waits for it.
    var places: [String] = []
    /// A line for each back-end, and for each lost connection.
    var connections: [String] = []
    /// How long back-ends took for what, of the phases that they have a part in.
    var backEnds: [BackEndTime] = []

    var lines: [String] {
        guard status.word != .none else { return [] }
        let failure = status.failure.map { " (\($0))" } ?? ""
        var lines = ["Status: \t\t\(status.word.rawValue)\(failure)"]
        if !places.isEmpty { lines += ["Sockets: ["] + places.map { "\t\($0)" } + ["]"] }
        if !isIncoming, status.pages.normal &+ status.pages.zero > 0 { lines += [times] + memory + [phases] }
        if isIncoming, status.word == .completed {
            lines.append("Time (ms): \t\ttotal=\(status.total.milliseconds), down=\(down)")
        }
        if !backEnds.isEmpty {
            let parts = backEnds.map { "\($0.what)=\(Self.milliseconds($0.time))" }
            lines.append("Back-ends (ms): \t" + parts.joined(separator: ", "))
        }
        if !connections.isEmpty { lines += ["Connections:"] + connections.map { "  \($0)" } }
        return lines
    }

    private var down: Int64 { status.downtime?.milliseconds ?? 0 }

    private var times: String {
        let isOver = [.completed, .failed, .cancelled].contains(status.word)
        let last = isOver ? "down=\(down)" : "exp_down=\(status.timeLeft?.milliseconds ?? 0)"
        return "Time (ms): \t\ttotal=\(status.total.milliseconds), setup=\(status.setup.milliseconds), \(last)"
    }

    private var memory: [String] {
        let pages = status.pages
        let seconds = Double(status.total.nanoseconds) / 1e9
        let rate = seconds > 0 ? UInt64(Double(pages.normal &+ pages.unchanged) / seconds) : 0
        return [
            "RAM info:",
            "  Throughput (Mbps): \t\(Self.fixed(status.throughput))",
            "  Sizes: \t\tpagesize=4 KiB, total=\(Self.size(status.totalRAM))",
            "  Transfers: \t\ttransferred=\(Self.size(status.transferred)), remain=\(Self.size(status.remaining))",
            "    Channels: \t\tprecopy=\(Self.size(status.precopyBytes)), multifd=0 B, postcopy=0 B",
            "    Page Types: \tnormal=\(pages.normal), zero=\(pages.zero)",
            "  Page Rates (pps): \ttransfer=\(rate)" + (status.dirtyRate > 0 ? ", dirty=\(status.dirtyRate)" : ""),
            "  Others: \t\tdirty_syncs=\(status.iterations), downtime_bytes=\(status.downtimeBytes)"
                + (status.arrived > 0 ? ", frames_forwarded=\(status.arrived)" : "")
                + (status.arrivedDropped > 0 ? ", frames_dropped=\(status.arrivedDropped)" : ""),
        ]
    }

    private var phases: String {
        let phases = status.phases
        let parts: [(String, Interval)] = [
            ("setup", status.setup), ("rounds", phases.rounds), ("stop", phases.stop), ("save", phases.save),
            ("load", phases.prepare), ("resume", phases.resume),
        ]
        return "Phases (ms): \t\t" + parts.map { "\($0.0)=\(Self.milliseconds($0.1))" }.joined(separator: ", ")
    }

    /// `12.3`: shorter phases are what counts here.
    private static func milliseconds(_ time: Interval) -> String {
        let tenths = (time.nanoseconds + 50_000) / 100_000
        return "\(tenths / 10).\(tenths % 10)"
    }

    /// Two places behind the point.
    static func fixed(_ value: Double) -> String {
        guard value.isFinite, value >= 0, value < 1e15 else { return "0.00" }
        let hundredths = UInt64((value * 100).rounded())
        let rest = hundredths % 100
        return "\(hundredths / 100).\(rest < 10 ? "0" : "")\(rest)"
    }

    /// Three digits and a unit, as QEMU's size_to_str writes them: `92.8 MiB`.
    static func size(_ bytes: UInt64) -> String {
        let units = ["", "Ki", "Mi", "Gi", "Ti", "Pi", "Ei"]
        var (value, unit) = (Double(bytes), 0)
        while value >= 1000, unit < units.count - 1 { (value, unit) = (value / 1024, unit + 1) }
        let places = value < 10 ? 100.0 : value < 100 ? 10.0 : 1.0
        let rounded = (value * places).rounded() / places
        var text = rounded == rounded.rounded() ? "\(Int(rounded))" : "\(rounded)"
        if text.hasSuffix(".0") { text.removeLast(2) }
        return "\(text) \(units[unit])B"
    }
}
