// The tables of the host as values, and the answers to TCP's questions about ways.

import Bytes
import Link

extension Host {
    /// `lo` first, then in the order of adding.
    public func interfaces() -> [InterfaceEntry] {
        attached.map { interface in
            InterfaceEntry(
                id: interface.id, name: interface.configuration.name, mac: interface.mac, isUp: interface.isUp,
                mtu: interface.mtu, addresses: interface.addresses, dhcp: interface.dhcp?.status ?? .off,
                leaseEnds: interface.lease?.end,
                nameServers: interface.knownNameServers,
                searchList: interface.lease?.searchList.map(\.description) ?? [], counters: interface.counters)
        }
    }

    /// The lease of an interface with everything the server said.
    public func lease(of id: InterfaceID) -> DHCPLease? { interface(id)?.lease }

    /// In the order in which they are tried.
    public func routes() -> [RouteEntry] { routing.entries }

    /// Of all interfaces, each in the order of addresses.
    public func neighbours() -> [NeighbourEntry] {
        attached.flatMap { interface in
            interface.neighbours.entries.sorted { $0.key < $1.key }.map { address, entry in
                let (state, mac): (NeighbourEntry.State, MACAddress?) =
                    switch entry.state {
                    case .incomplete: (.incomplete, nil)
                    case .reachable(let mac): (.reachable, mac)
                    case .stale(let mac): (.stale, mac)
                    case .probe(let mac, _): (.probe, mac)
                    case .failed: (.failed, nil)
                    }
                return NeighbourEntry(address: address, interface: interface.id, mac: mac, state: state)
            }
        }
    }
}

extension Host: PathSource {
    /// The way that a packet would take now; nil when no route leads there, or not from `source`.
    public func path(to destination: IPAddress, from source: IPAddress?) -> TransportPath? {
        if let source, !source.isUnspecified, !isLocal(source) { return nil }
        guard let way = way(to: destination, from: source) else { return nil }
        return TransportPath(source: way.source, interface: way.interface.id, mtu: way.interface.mtu)
    }

    /// One of this node's addresses, or of the loopback network.
    public func isLocal(_ address: IPAddress) -> Bool {
        if address.isLoopback { return true }
        for local in locals where local == address { return true }
        return false
    }
}
