// The routing table: longest prefix first, then the smallest metric (RFC 1122, 3.3.1). Addresses of
// this node and neighbours are other tables.

/// The routes of a host.
struct RoutingTable {
    /// In the order in which they are tried.
    private(set) var entries: [RouteEntry] = []

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
    func lookup(_ destination: IPv4Address, whereUp isUp: (InterfaceID) -> Bool) -> RouteEntry? {
        entries.first { $0.destination.contains(destination) && isUp($0.interface) } ?? lookup(destination)
    }

    /// The route to `destination`, if `interface` is given only by that one.
    func lookup(_ destination: IPv4Address, on interface: InterfaceID? = nil) -> RouteEntry? {
        entries.first { $0.destination.contains(destination) && (interface == nil || $0.interface == interface) }
    }

    /// Takes the routes of a lease: option 121 alone when it is there (RFC 3442), else the routers of
    /// option 3. A router outside of the own prefix gets a host route on the link first, as /32
    /// leases need.
    mutating func add(_ lease: DHCPLease, on interface: InterfaceID) {
        add(RouteEntry(lease.prefix, via: nil, on: interface, origin: .connected))
        if lease.classlessRoutes.isEmpty {
            if let router = lease.routers.first { addDefault(router, lease, interface) }
            return
        }
        for route in lease.classlessRoutes {
            let gateway = route.gateway.isUnspecified ? nil : route.gateway
            add(RouteEntry(route.destination, via: gateway, on: interface, origin: .dhcp))
        }
        for route in lease.classlessRoutes where !route.gateway.isUnspecified {
            reach(route.gateway, lease, interface)
        }
    }

    private mutating func addDefault(_ router: IPv4Address, _ lease: DHCPLease, _ interface: InterfaceID) {
        reach(router, lease, interface)
        add(RouteEntry(.everything, via: router, on: interface, origin: .dhcp))
    }

    /// Makes sure that `router` itself is on the link.
    private mutating func reach(_ router: IPv4Address, _ lease: DHCPLease, _ interface: InterfaceID) {
        let way = lookup(router, on: interface)
        if lease.prefix.contains(router) || (way?.gateway == nil && way != nil) { return }
        add(RouteEntry(IPv4Prefix(host: router), via: nil, on: interface, origin: .dhcp))
    }
}
