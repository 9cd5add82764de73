// `-netdev` and `netdev_add`, and the back-end of `-nic` and `-net`: a checked list becomes a plan.

enum NetdevOption {
    /// The list of `-netdev`: JSON, or read in the way of its type.
    static func list(_ text: String) throws(OptionError) -> KeyValueList {
        let first = text.prefix { $0 != "," }
        let type = first.hasPrefix("type=") ? first.dropFirst(5) : first
        let dialect = NetdevKinds.named(String(type))?.dialect ?? .short
        return try KeyValueList(parsing: text, implied: "type", dialect: dialect)
    }

    /// The id of a list; only the old way checks its form.
    static func id(_ list: KeyValueList) throws(OptionError) -> String? {
        guard let id = list["id"] else { return nil }
        return list.dialect == .short ? try Value.identifier(id) : id
    }

    /// - Parameters:
    ///   - list: with its type and id.
    ///   - kinds: those that can be made.
    static func plan(
        _ list: KeyValueList, location: String?, among kinds: [any NetdevKind.Type] = NetdevKinds.all
    ) throws(OptionError) -> NetdevPlan {
        try checkHead(list)
        guard let id = try id(list) else { throw OptionError("Parameter 'id' is missing") }
        guard let type = list["type"] else { throw OptionError("Parameter 'type' is missing") }
        let wanted = try NetdevKinds.plan(type, list.without("type", "id"), among: kinds)
        var plan = NetdevPlan(id: id, wanted, location: location)
        plan.isOption = location == nil || list.dialect == .short
        return plan
    }

    /// In JSON, id and type are strings.
    private static func checkHead(_ list: KeyValueList) throws(OptionError) {
        guard list.dialect != .short else { return }
        let head = KeyTable(title: "netdev", rows: [KeyRow("id", .string, ""), KeyRow("type", .string, "")])
        _ = try head.read(list.below(["id", "type"]))
    }

    /// The back-end of `-nic` and `-net`, too: the id may be missing.
    static func plan(
        _ type: String, id: String?, _ keys: KeyValueList, location: String?
    ) throws(OptionError) -> NetdevPlan {
        NetdevPlan(id: id, try NetdevKinds.plan(type, keys, among: NetdevKinds.all), location: location)
    }
}
