// `-netdev` and `netdev_add`, and the back-end of `-nic` and `-net`: a checked list becomes a plan.

import PasstLauncher

enum NetdevOption {
    /// The list of `-netdev`: JSON, or read in the way of its type.
    static func list(_ text: String) throws(OptionError) -> KeyValueList {
        let type = text.prefix { $0 != "," }
        let isStructured =
            NetdevTables.structured.contains(String(type))
            || type.hasPrefix("type=")
                && NetdevTables.structured.contains(String(type.dropFirst(5)))
        return try KeyValueList(parsing: text, implied: "type", dialect: isStructured ? .strict : .short)
    }

    /// The id of a list; only the old way checks its form.
    static func id(_ list: KeyValueList) throws(OptionError) -> String? {
        guard let id = list["id"] else { return nil }
        return list.dialect == .short ? try Value.identifier(id) : id
    }

    /// - Parameter list: with its type and id.
    static func plan(_ list: KeyValueList, location: String?) throws(OptionError) -> NetdevPlan {
        try checkHead(list)
        guard let id = try id(list) else { throw OptionError("Parameter 'id' is missing") }
        guard let type = list["type"] else { throw OptionError("Parameter 'type' is missing") }
        return try plan(type, id: id, list.without("type", "id"), location: location)
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
        try checkKnown(type)
        guard !NetdevTables.notCompiled.contains(type) else {
            throw OptionError("network backend '\(type)' is not compiled into this binary")
        }
        return NetdevPlan(id: id, kind: try kind(type, keys), location: location)
    }

    private static func kind(_ type: String, _ keys: KeyValueList) throws(OptionError) -> NetdevPlan.Kind {
        switch type {
        case "passt":
            _ = try NetdevTables.passt.read(keys)
            return .passt(PasstOptions(keys))
        case "stream": return .stream(try stream(keys))
        case "vhost-user": return .vhostUser(try vhostUser(keys))
        case "hubport":
            let values = try NetdevTables.hubPort.read(keys)
            _ = try values.required("hubid")
            guard let hub = values.integer("hubid").flatMap(Int32.init(exactly:)) else {
                throw OptionError("Parameter 'hubid' expects int32_t")
            }
            return .hubPort(hub: hub, netdev: values.string("netdev"))
        default:
            throw OptionError("network backend '\(type)' is not supported yet", hints: [OptionTable.worksToday])
        }
    }

    private static func stream(_ keys: KeyValueList) throws(OptionError) -> StreamPlan {
        let own = KeyValueList(
            pairs: keys.pairs.filter { !$0.key.hasPrefix("addr.") && $0.key != "addr" }, dialect: keys.dialect)
        let structured = KeyValueList(
            pairs: keys.pairs, dialect: keys.dialect == .json ? .json : .strict)
        let address = try SocketAddressOption.read(structured)
        let values = try KeyTable(title: "stream", rows: Array(NetdevTables.stream.rows.prefix(2))).read(
            KeyValueList(pairs: own.pairs, dialect: structured.dialect))
        var plan = StreamPlan(address: address, isServer: values.boolean("server") ?? false)
        guard let pause = values.integer("reconnect-ms") else { return plan }
        guard !plan.isServer else {
            throw OptionError("'reconnect-ms' option is incompatible with socket in server mode")
        }
        guard let fitting = UInt32(exactly: pause) else {
            throw OptionError("Parameter 'reconnect-ms' expects uint32_t")
        }
        plan.reconnect = fitting
        return plan
    }

    private static func vhostUser(_ keys: KeyValueList) throws(OptionError) -> VhostUserPlan {
        let values = try NetdevTables.vhostUser.read(keys)
        let plan = VhostUserPlan(chardev: try values.required("chardev"))
        guard let queues = values.integer("queues") else { return plan }
        guard (1...1024).contains(queues) else {
            throw OptionError("vhost-user number of queues must be in range [1, 1024]")
        }
        guard queues == 1 else {
            throw OptionError("queues=\(queues) is not supported yet", hints: ["What works today: queues=1"])
        }
        return plan
    }

    private static func checkKnown(_ type: String) throws(OptionError) {
        let known = NetdevTables.implemented + NetdevTables.notYet + NetdevTables.notCompiled
        guard known.contains(type) else { throw OptionError("Parameter 'type' does not accept value '\(type)'") }
    }
}
