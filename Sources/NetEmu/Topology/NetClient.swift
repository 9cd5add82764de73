// One entry of QEMU's list of network clients: a card, a back-end, or a port of a hub.

import Link

/// Names a client for the life of the program; numbers are never given out twice.
public struct ClientID: Hashable, Sendable {
    let number: Int
}

/// A network client as `info network` knows it.
public struct NetClient: Sendable {
    /// What it is.
    public enum Kind: Equatable, Sendable {
        /// A card: its model's name, its address, and whether a ring back-end can serve it.
        case card(model: String, mac: MACAddress, isVirtio: Bool)
        /// A back-end by its kind's name; one that works on rings itself can only serve a virtio card.
        case netdev(String, worksOnRings: Bool)
        /// A port of the hub with this number.
        case hubPort(hub: Int32)
    }

    /// Names it for the life of the program.
    public let id: ClientID
    /// What `info network` calls it.
    public let name: String
    /// What it is.
    public let kind: Kind
    /// Who it is connected to; nil: nobody.
    public internal(set) var peer: ClientID?
    /// Made by -netdev, -nic or netdev_add: what netdev_del may remove.
    public let isNetdev: Bool
    /// Its id stands among QEMU's -netdev options, where `netdev_add` looks before it looks at anything else: those of
    /// -nic, and of -netdev in a structured way, do not.
    public internal(set) var isOption = false
    /// `netdev_del` removed it, and its card is still there: no name finds it, and `info network` shows it behind that
    /// card until the card goes, too.
    public internal(set) var isDeleted = false

    /// A network card.
    public var isCard: Bool { if case .card = kind { true } else { false } }

    var hub: Int32? { if case .hubPort(let hub) = kind { hub } else { nil } }

    /// What `info network` calls it.
    var typeName: String {
        switch kind {
        case .card: "nic"
        case .netdev(let name, _): name
        case .hubPort: HubPortPlan.name
        }
    }

    /// What a card says of itself.
    var cardInfo: String {
        guard case .card(let model, let mac, _) = kind else { return "" }
        return "model=\(model),macaddr=\(mac)"
    }
}
