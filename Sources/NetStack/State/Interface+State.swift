// One interface of a host on its way to another process: addresses, lease, watches, neighbours, fragments, what waits to
// leave. What it is (name, MAC, sizes) must be the same on both sides.

import Bytes
import Link

extension NetworkInterface {
    /// Writes the interface down; or reads into one that takes its place, and returns that.
    func coded(_ coder: inout StateCoder, hostname: String) throws(StateError) -> NetworkInterface {
        var number = id
        try number.code(&coder)
        try codeIdentity(&coder)
        guard coder.isReading else {
            try codeState(&coder)
            return self
        }
        let client = dhcp == nil ? nil : DHCPClient(mac: mac, hostname: hostname, seed: 0)
        let successor = NetworkInterface(id: number, configuration, dhcp: client)
        try successor.codeState(&coder)
        return successor
    }

    private func codeIdentity(_ coder: inout StateCoder) throws(StateError) {
        var (name, mac, mtu, limit) = (configuration.name, mac, configuration.mtu, configuration.maximumMTU)
        var hasClient = dhcp != nil
        try coder.text(&name, limit: 1024, "name of an interface")
        try mac.code(&coder)
        try coder.count(&mtu, in: 0...Int(Int32.max), "MTU")
        try coder.count(&limit, in: 0...Int(Int32.max), "MTU")
        try coder.flag(&hasClient)
        try agree("name", name, configuration.name)
        try agree("MAC address", mac, self.mac)
        try agree("MTU", mtu, configuration.mtu)
        try agree("largest MTU", limit, configuration.maximumMTU)
        try agree("use of DHCP", hasClient, dhcp != nil)
    }

    private func agree<T: Equatable>(_ property: String, _ there: T, _ here: T) throws(StateError) {
        guard there == here else {
            throw .impossible("\(property) of \(configuration.name): \(there) there, \(here) here")
        }
    }

    private func codeState(_ coder: inout StateCoder) throws(StateError) {
        try coder.flag(&isUp)
        try coder.count(&mtu, in: 68...max(configuration.mtu, configuration.maximumMTU, 68), "MTU of an interface")
        try coder.list(&addresses, limit: 4096, "number of addresses")
        try coder.list(&nameServers, limit: 4096, "number of name servers")
        try coder.optional(&applied)
        try dhcp?.code(&coder)
        try coder.list(&watches, limit: 1 << 16, "number of watched addresses")
        try neighbours.code(&coder)
        try reassembly.code(&coder)
        try output.code(&coder)
        try counters.code(&coder)
    }
}

extension InterfaceCounters {
    fileprivate mutating func code(_ coder: inout StateCoder) throws(StateError) {
        let fields: [WritableKeyPath<InterfaceCounters, UInt64>] = [
            \.received, \.receivedBytes, \.transmitted, \.transmittedBytes, \.malformed, \.badChecksum, \.notForUs,
            \.unknownProtocol, \.martian, \.fragmentsDropped, \.arpRefused, \.receiveQueueFull, \.transmitQueueFull,
            \.neighbourFailed, \.icmpSuppressed,
        ]
        for field in fields { try coder.integer(&self[keyPath: field]) }
    }
}

extension RouteEntry: StateCoded {
    /// To everybody, on the loopback interface.
    public static var blank: RouteEntry { RouteEntry(.everything, via: nil, on: .loopback) }
    /// In the order of the fields.
    public mutating func code(_ coder: inout StateCoder) throws(StateError) {
        let origins: [Origin] = [.connected, .dhcp, .manual]
        var place = origins.firstIndex(of: origin) ?? 0
        try destination.code(&coder)
        try coder.optional(&gateway)
        try interface.code(&coder)
        try coder.integer(&metric)
        try coder.count(&place, in: 0...origins.count - 1, "origin of a route")
        origin = origins[place]
    }
}
