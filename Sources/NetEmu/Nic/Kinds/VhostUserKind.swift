// `-netdev vhost-user`: a back-end that somebody else starts, behind a socket character device.

import Linux

/// A vhost-user back-end behind a character device.
struct VhostUserKind: NetdevKind {
    static let name = "vhost-user"
    private let device: String
    static let keys = KeyTable(
        title: name,
        rows: [
            KeyRow("chardev", .string, "the id of a unix socket, in either role"),
            KeyRow("vhostforce", .boolean, "QEMU's does nothing any more, either", .noEffect(usual: "off")),
            KeyRow("queues", .integer, "queue pairs; one today"),
        ])

    init(_ list: KeyValueList) throws(OptionError) {
        let values = try Self.keys.read(list)
        device = try values.required("chardev")
        guard let queues = values.integer("queues") else { return }
        guard (1...1024).contains(queues) else {
            throw OptionError("vhost-user number of queues must be in range [1, 1024]")
        }
        guard queues == 1 else {
            throw .lack("queues=\(queues) is not supported yet", hints: ["What works today: queues=1"])
        }
    }

    var worksOnRings: Bool { true }
    var chardev: String? { device }

    /// Descriptors go through it, so it is a unix socket that nobody shares.
    func objection(to chardev: ChardevPlan) -> OptionError? {
        guard case .socket(let socket) = chardev.kind, !chardev.isMultiplexed else {
            return OptionError("chardev \"\(chardev.id)\" is not reconnectable")
        }
        if case .inet = socket.address {
            return OptionError("chardev \"\(chardev.id)\" does not support FD passing")
        }
        guard socket.isTelnet else { return nil }
        return OptionError(
            "'telnet' option is incompatible with waiting for connection completion", consequence: notMade)
    }

    func make(_ site: NetdevSite) throws(EmulationError) -> any Netdev {
        VhostUserNetdev(
            VhostUserNetdev.Place(chardev: device, location: site.location, voice: site.voice),
            try site.chardevs.takeSocket(device, for: self), on: site.reactor)
    }
}
