// A DHCP client in any of its states on its way to another process: the exchange under way, the lease with what is left
// of its times.

import Bytes

extension DHCPClient {
    /// The state (a byte, then what belongs to it), refusals in a row, random numbers.
    mutating func code(_ coder: inout StateCoder) throws(StateError) {
        try random.code(&coder)
        try coder.count(&refusals, in: 0...7, "refusals of a lease")
        var (kind, exchange, lease, until): (UInt8, Exchange?, DHCPLease?, Instant?) = (0, nil, nil, nil)
        switch state {
        case .off(let old): (kind, lease) = (0, old)
        case .selecting(let open): (kind, exchange) = (1, open)
        case .requesting(let open, let offer): (kind, exchange, lease) = (2, open, offer)
        case .rebooting(let open, let old): (kind, exchange, lease) = (3, open, old)
        case .bound(let own): (kind, lease) = (4, own)
        case .renewing(let open, let own): (kind, exchange, lease) = (5, open, own)
        case .rebinding(let open, let own): (kind, exchange, lease) = (6, open, own)
        case .declined(let pause): (kind, until) = (7, pause)
        }
        try coder.integer(&kind)
        try coder.optional(&exchange)
        try coder.optional(&lease)
        try coder.instant(&until)
        guard coder.isReading else { return }
        guard let read = State(kind, exchange, lease, until) else { throw .impossible("state of a DHCP client") }
        state = read
    }
}

extension DHCPClient.State {
    fileprivate init?(_ kind: UInt8, _ exchange: DHCPClient.Exchange?, _ lease: DHCPLease?, _ until: Instant?) {
        switch (kind, exchange, lease, until) {
        case (0, nil, let lease, nil): self = .off(lease)
        case (1, let exchange?, nil, nil): self = .selecting(exchange)
        case (2, let exchange?, let lease?, nil): self = .requesting(exchange, lease)
        case (3, let exchange?, let lease?, nil): self = .rebooting(exchange, lease)
        case (4, nil, let lease?, nil): self = .bound(lease)
        case (5, let exchange?, let lease?, nil): self = .renewing(exchange, lease)
        case (6, let exchange?, let lease?, nil): self = .rebinding(exchange, lease)
        case (7, nil, nil, let until?): self = .declined(until: until)
        default: return nil
        }
    }
}

extension DHCPClient.Exchange: StateCoded {
    static var blank: DHCPClient.Exchange {
        let start = Instant(nanoseconds: 0)
        return DHCPClient.Exchange(transaction: 0, begun: start, asked: start, tries: 0, due: start)
    }

    mutating func code(_ coder: inout StateCoder) throws(StateError) {
        try coder.integer(&transaction)
        try coder.instant(&begun)
        try coder.instant(&asked)
        try coder.count(&tries, in: 0...Int(Int32.max), "messages of an exchange")
        try coder.instant(&due)
    }
}

extension DHCPLease: StateCoded {
    /// No server grants that.
    public static var blank: DHCPLease { DHCPLease() }
    /// Entries of one list: more than fit into a message.
    private static let limit = 1024

    private init() {
        (prefix, server) = (.everything, .any)
        (routers, classlessRoutes, nameServers, searchList) = ([], [], [], [])
    }

    /// Everything the server said, with what is left of the times.
    public mutating func code(_ coder: inout StateCoder) throws(StateError) {
        try prefix.code(&coder)
        try server.code(&coder)
        try coder.list(&routers, limit: Self.limit, "number of routers")
        try coder.list(&classlessRoutes, limit: Self.limit, "number of routes")
        try coder.list(&nameServers, limit: Self.limit, "number of name servers")
        try coder.list(&searchList, limit: Self.limit, "length of a search list")
        try coder.text(&hostName, limit: 1 << 14, "name of a host")
        try coder.text(&domainName, limit: 1 << 14, "name of a domain")
        var size = UInt16(clamping: mtu ?? 0)
        try coder.integer(&size)
        try coder.require(size == 0 || size >= 68, "MTU of a lease")
        mtu = size == 0 ? nil : Int(size)
        try coder.instant(&renewal)
        try coder.instant(&rebinding)
        try coder.instant(&end)
    }
}

extension DHCPRoute: StateCoded {
    /// To everybody, on the link.
    public static var blank: DHCPRoute { DHCPRoute(.everything, via: .any) }
    /// The destination, then the gateway.
    public mutating func code(_ coder: inout StateCoder) throws(StateError) {
        try destination.code(&coder)
        try gateway.code(&coder)
    }
}
