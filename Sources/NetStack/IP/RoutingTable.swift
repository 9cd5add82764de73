// The routing table: longest prefix first, then the smallest metric (RFC 1122, 3.3.1). Addresses of
// this node and neighbours are other tables.

/// The routes of a host.
struct RoutingTable {
    /// In the order in which they are tried.
    var entries: [RouteEntry] = []

    /// Adds a route; an equal one (destination, gateway, interface) is replaced.
    mutating func add(_ route: RouteEntry) {
        entries.removeAll {
            $0.destination == route.destination && $0.gateway == route.gateway && $0.interface == route.interface
        }
        let position =
            entries.firstIndex {
                ($0.destination.length, route.metric) < (route.destination.length, $0.metric)
            } ?? entries.count
        entries.insert(route, at: position)
    }

    mutating func removeAll(where isMatch: (RouteEntry) -> Bool) { entries.removeAll(where: isMatch) }

    /// The route to `destination` over an interface that is up; when there is none, the one that would be taken if its
    /// interface were: what waits there goes on when the link is back.
    func lookup(_ destination: IPAddress, whereUp isUp: (InterfaceID) -> Bool) -> RouteEntry? {
        entries.first { $0.destination.contains(destination) && isUp($0.interface) } ?? lookup(destination)
    }

    /// The route to `destination`, if `interface` is given only by that one.
    func lookup(_ destination: IPAddress, on interface: InterfaceID? = nil) -> RouteEntry? {
        entries.first { $0.destination.contains(destination) && (interface == nil || $0.interface == interface) }
    }

    /// Takes the routes of a lease: option 121 alone when it is there (RFC 3442), else the routers of
    /// option 3. A router outside of the own prefix gets a host route on the link first, as /32
    /// leases need.
    mutating func add(_ lease: DHCPLease, on interface: InterfaceID) {
        let network = IPPrefix(lease.prefix)
        add(RouteEntry(network, via: nil, on: interface, origin: .connected))
        if lease.classlessRoutes.isEmpty {
            guard let router = lease.routers.first.map({ IPAddress($0) }) else { return }
            reach(router, network, interface)
            add(RouteEntry(.everything, via: router, on: interface, origin: .dhcp))
            return
        }
        for route in lease.classlessRoutes {
            let gateway = route.gateway.isUnspecified ? nil : IPAddress(route.gateway)
            add(RouteEntry(IPPrefix(route.destination), via: gateway, on: interface, origin: .dhcp))
        }
        for route in lease.classlessRoutes where !route.gateway.isUnspecified {
            reach(IPAddress(route.gateway), network, interface)
        }
    }

    /// Makes sure that `router` itself is on the link.
    private mutating func reach(_ router: IPAddress, _ network: IPPrefix, _ interface: InterfaceID) {
        let way = lookup(router, on: interface)
        if network.contains(router) || (way?.gateway == nil && way != nil) { return }
        add(RouteEntry(IPPrefix(host: router), via: nil, on: interface, origin: .dhcp))
    }
}
