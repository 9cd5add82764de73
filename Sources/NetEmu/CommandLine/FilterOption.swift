// -object filter-dump and object_add: a checked list becomes the plan of a capture.

import Link
import Netdevs

enum FilterOption {
    static let keys = KeyTable(
        title: "filter-dump",
        rows: [
            KeyRow("netdev", .string, "the id of a back-end that carries frames"),
            KeyRow("file", .path, "the capture file; an old one is emptied"),
            KeyRow("maxlen", .unsigned, "bytes kept of each frame (default 65536)"),
            KeyRow("queue", .string, "all, rx (frames to the back-end) or tx (frames from it)"),
            KeyRow("status", .string, "on or off"),
            KeyRow("format", .string, "pcap, or pcapng with the back-end's name and directions"),
            KeyRow("position", .string, "head, tail or id=FILTER: where it stands among the filters"),
            KeyRow("insert", .string, "before or behind that one"),
        ], isVisited: true, required: ["netdev", "file"])

    /// - Parameter list: without type and id.
    static func plan(_ list: KeyValueList, id: String, location: String?) throws(OptionError) -> FilterPlan {
        let values = try keys.read(list)
        let netdev = try values.required("netdev")
        _ = try values.required("file")
        let options = FrameDump.Options(
            format: try choice(values, "format", of: [.pcap, .pcapng], default: CaptureFormat.pcap),
            longest: try longest(values), direction: try choice(values, "queue", of: [.all, .rx, .tx], default: .all),
            interface: netdev)
        var plan = FilterPlan(
            id: id, netdev: netdev, file: values.path("file") ?? "", options: options, location: location)
        switch values.string("status") ?? "on" {
        case "on": break
        case "off": plan.isOn = false
        default: throw OptionError("Invalid value for netfilter status, should be 'on' or 'off'")
        }
        switch values.string("insert") ?? "behind" {
        case "before": plan.isBefore = true
        case "behind": break
        case let other: throw OptionError("Parameter 'insert' does not accept value '\(other)'")
        }
        plan.position = try position(values.string("position") ?? "tail")
        return plan
    }

    private static func longest(_ values: CheckedValues) throws(OptionError) -> UInt32 {
        guard let given = values.integer("maxlen") else { return 65536 }
        guard given > 0 else { throw OptionError("Property 'filter-dump.maxlen' doesn't take value '\(given)'") }
        guard let fitting = UInt32(exactly: given) else { throw OptionError("Parameter 'maxlen' expects uint32_t") }
        return fitting
    }

    private static func choice<T: RawRepresentable>(
        _ values: CheckedValues, _ key: String, of choices: [T], default usual: T
    ) throws(OptionError) -> T where T.RawValue == String {
        guard let given = values.string(key) else { return usual }
        guard let found = choices.first(where: { $0.rawValue == given }) else {
            throw OptionError("Parameter '\(key)' does not accept value '\(given)'")
        }
        return found
    }

    private static func position(_ text: String) throws(OptionError) -> FilterPlan.Position {
        switch text {
        case "head": return .head
        case "tail": return .tail
        case _ where text.hasPrefix("id="): return .beside(String(text.dropFirst(3)))
        default: throw OptionError("Parameter 'position' expects 'head', 'tail' or 'id=<id>'")
        }
    }

    /// The back-end that is to be captured, when it can be.
    static func target(_ plan: FilterPlan, in topology: Topology) throws(OptionError) -> NetClient {
        guard let client = topology.netdev(named: plan.netdev) else {
            throw OptionError("Parameter 'netdev' expects a network backend id")
        }
        guard case .netdev(let type, worksOnRings: true) = client.kind, !topology.isOnHub(client.id) else {
            return client
        }
        let hints = NetdevKinds.named(type)?.insteadOfCapture(plan.file) ?? []
        throw OptionError(
            "netdev '\(plan.netdev)' carries no frames here: another process works on the card's rings", hints: hints)
    }
}
