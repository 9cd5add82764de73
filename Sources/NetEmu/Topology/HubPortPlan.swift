// `-netdev hubport`: a place of the topology, not a kind of back-end; what hangs on it is a card or a back-end.

/// A port of a hub as an option describes it.
struct HubPortPlan: Equatable, Sendable {
    static let name = "hubport"
    static let keys = KeyTable(
        title: name,
        rows: [
            KeyRow("hubid", .fitting(.int32), "which hub"),
            KeyRow("netdev", .string, "the id of a back-end that hangs on the port"),
        ], isVisited: true, required: ["hubid"])

    let hub: Int32
    /// The id of a back-end that hangs on it.
    let netdev: String?

    init(_ list: KeyValueList) throws(OptionError) {
        let values = try Self.keys.read(list)
        _ = try values.required("hubid")
        hub = values.integer("hubid").flatMap(Int32.init(exactly:)) ?? 0
        netdev = values.string("netdev")
    }
}
