// The kinds of back-end: the one list, and what is derived from it. Types that QEMU has and that stand in no file
// here are known by name only, so that each is refused rightly.

enum NetdevKinds {
    /// One line a kind, in the order of help.
    static let all: [any NetdevKind.Type] = [
        PasstKind.self,
        StreamKind.self,
        VhostUserKind.self,
    ]

    /// Every type that is carried out: the kinds, and the port of a hub.
    static let names = all.map { $0.name } + [HubPortPlan.name]
    /// QEMU's other types.
    private static let others: Set<String> = [
        "user", "tap", "l2tpv3", "socket", "dgram", "vde", "bridge", "vhost-vdpa",
    ]
    /// Types that QEMU knows by name only.
    private static let notCompiled: Set<String> = ["none", "nic", "netmap"]

    static let worksToday = "What works today: \(names.joined(separator: ", "))"
    static let help = "Available netdev backend types:\n" + names.joined(separator: "\n")

    /// A type of QEMU's, whether it is carried out or not.
    static func isKnown(_ name: String) -> Bool { names.contains(name) || others.contains(name) }

    static func named(_ name: String) -> (any NetdevKind.Type)? { all.first { $0.name == name } }

    /// The keys of a type; nil for one that is not carried out.
    static func keys(of type: String) -> KeyTable? {
        type == HubPortPlan.name ? HubPortPlan.keys : named(type)?.keys
    }

    /// What an option's list of `type` asks for.
    /// - Parameters:
    ///   - list: without `id` and `type`.
    ///   - kinds: those that can be made.
    static func plan(
        _ type: String, _ list: KeyValueList, among kinds: [any NetdevKind.Type]
    ) throws(OptionError) -> NetdevPlan.Wanted {
        if type == HubPortPlan.name { return .hubPort(try HubPortPlan(list)) }
        if let kind = kinds.first(where: { $0.name == type }) { return .backEnd(try kind.init(list)) }
        if notCompiled.contains(type) {
            throw OptionError("network backend '\(type)' is not compiled into this binary")
        }
        guard others.contains(type) else { throw OptionError("Parameter 'type' does not accept value '\(type)'") }
        throw .lack("network backend '\(type)' is not supported yet", hints: [worksToday])
    }
}
