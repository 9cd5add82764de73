// info name, status, version, network, stats: what is shown of a running netemu.

import Link
import Virtio

/// `info name`: nil without `-name`.
struct InfoName: ImmediateCommand {
    static let names = ["name"]
    static let group: String? = "info"
    static let help = "show the current VM name"
    init(_ arguments: MonitorArguments) {}
    func run(on machine: Machine) -> String? { machine.name }
    static func lines(of answer: String?) -> [String] { answer.map { [$0] } ?? [] }
}

/// `info status`.
struct InfoStatus: ImmediateCommand {
    static let names = ["status"]
    static let group: String? = "info"
    static let help = "show the current VM status (running|paused)"
    init(_ arguments: MonitorArguments) {}
    func run(on machine: Machine) -> RunState { machine.run.state }
    static func lines(of answer: RunState) -> [String] {
        let isPlain = answer == .running || answer == .paused
        return ["VM status: " + (isPlain ? answer.rawValue : "paused (\(answer.rawValue))")]
    }
}

/// `info version`.
struct InfoVersion: ImmediateCommand {
    static let names = ["version"]
    static let group: String? = "info"
    static let help = "show the version of netemu"
    init(_ arguments: MonitorArguments) {}
    func run(on machine: Machine) -> String { Version.text }
    static func lines(of answer: String) -> [String] { [answer] }
}

/// `info network`.
struct InfoNetwork: ImmediateCommand {
    static let names = ["network"]
    static let group: String? = "info"
    static let help = "show the network state"
    init(_ arguments: MonitorArguments) {}
    func run(on machine: Machine) -> NetworkReport { machine.network.report }
    static func lines(of answer: NetworkReport) -> [String] { answer.lines }
}

/// `info stats`, which QEMU does not have.
struct InfoStats: ImmediateCommand {
    static let names = ["stats"]
    static let group: String? = "info"
    static let parameters: [MonitorParameter] = [.word("name", of: .clients, shown: "[name]", isOptional: true)]
    static let help = "show what cards and back-ends have moved, dropped and signalled"
    /// nil for all.
    let name: String?

    init(_ arguments: MonitorArguments) { name = arguments.optionalString("name") }
    func run(on machine: Machine) throws(EmulationError) -> [TrafficReport] { try machine.network.traffic(of: name) }
    static func lines(of answer: [TrafficReport]) -> [String] { answer.flatMap(\.lines) }
}

extension TrafficReport {
    fileprivate var lines: [String] {
        switch self {
        case .queue(let card, let queue): [Self.line(of: queue, card)]
        case .elsewhere(let netdev): ["\(netdev): on the card's rings, in another process"]
        case .link(let client, let fromGuest, let toGuest):
            [
                "\(client): from-guest,\(Self.text(of: fromGuest))",
                "\(client): to-guest,\(Self.text(of: toGuest))",
            ]
        case .drops(let netdev, let drops):
            ["\(netdev): " + drops.map { "dropped-\($0.reason)=\($0.frames)" }.joined(separator: ",")]
        }
    }

    private static func line(of queue: CardQueue, _ card: String) -> String {
        var line = "\(card): queue=\(queue.number),\(queue.direction)"
        line += ",kicks=\(queue.kicks),calls=\(queue.calls)"
        guard let counters = queue.frames else { return line }
        line += ",frames=\(counters.frames),bytes=\(counters.bytes)"
        return line + ",malformed=\(counters.malformed),too-long=\(counters.tooLong)"
    }

    /// What is no drop stands there only when it was.
    private static func text(of counters: LinkCounters) -> String {
        let completed = counters.checksumsCompleted
        return "frames=\(counters.frames),bytes=\(counters.bytes),dropped-link-down=\(counters.droppedWhileDown),"
            + "dropped-too-long=\(counters.tooLong),dropped-uncut=\(counters.segmentsDropped),"
            + "dropped-no-checksum=\(counters.checksumsDropped),blocked=\(counters.blocked)"
            + (completed > 0 ? ",checksums-completed=\(completed)" : "")
    }
}
