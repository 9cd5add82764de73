// -object filter-dump and object_add: a checked list becomes the plan of a capture.

import Link
import Netdevs

enum FilterOption {
    static let keys = KeyTable(
        title: "filter-dump",
        rows: [
            KeyRow("netdev", .string, "the id of a back-end that carries frames"),
            KeyRow("queue", .choice(["all", "rx", "tx"]), "all, rx (frames to the back-end) or tx (frames from it)"),
            KeyRow("status", .string, "on or off"),
            KeyRow("position", .string, "head, tail or id=FILTER: where it stands among the filters"),
            KeyRow("insert", .choice(["before", "behind"]), "before or behind that one"),
            KeyRow("file", .path, "the capture file; an old one is emptied"),
            KeyRow("maxlen", .fitting(.uint32), "bytes kept of each frame (default 65536)"),
            KeyRow("format", .choice(["pcap", "pcapng"]), "pcapng has the back-end's name and directions"),
        ], isVisited: true, required: ["netdev", "file"])

    /// - Parameter list: without type and id.
    static func plan(_ list: KeyValueList, id: String, location: String?) throws(OptionError) -> FilterPlan {
        let values = try keys.read(list)
        let netdev = try values.required("netdev")
        _ = try values.required("file")
        let options = FrameDump.Options(
            format: values.string("format").flatMap(CaptureFormat.init) ?? .pcap, longest: try longest(values),
            direction: values.string("queue").flatMap(FrameDump.Direction.init) ?? .all, interface: netdev)
        var plan = FilterPlan(
            id: id, netdev: netdev, file: values.path("file") ?? "", options: options, location: location)
        switch values.string("status") ?? "on" {
        case "on": break
        case "off": plan.isOn = false
        default: throw OptionError("Invalid value for netfilter status, should be 'on' or 'off'")
        }
        plan.isBefore = values.string("insert") == "before"
        plan.position = try position(values.string("position") ?? "tail")
        return plan
    }

    private static func longest(_ values: CheckedValues) throws(OptionError) -> UInt32 {
        guard let given = values.integer("maxlen") else { return 65536 }
        guard given > 0 else { throw OptionError("Property 'filter-dump.maxlen' doesn't take value '\(given)'") }
        return UInt32(exactly: given) ?? .max
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
