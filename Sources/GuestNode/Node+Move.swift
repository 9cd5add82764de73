// What a node that has moved is told: how long it was away, and that its network is to hear where it is now.

import Bytes
import NetStack

extension Node {
    /// TCP connections that the node has, by whatever NIC; those in TIME-WAIT are over.
    public var connectionCount: Int { host.tcp.openConnections }

    /// So much time passed outside while the node was on its way. Its own clock stood still; what measures the world
    /// (`ramp`) counts it. Once for each move, after it was taken up.
    public func wasAway(for time: Interval) {
        guard time > .zero else { return }
        console.wasAway(for: time)
        script?.wasAway(for: time)
    }

    /// Says once, on every network or on those of some NICs, that the node's MAC and IPv4 addresses are here. The frames
    /// leave in the next turn as all others do. When to say it again is ``AnnounceSchedule``'s.
    public func announce(on names: Set<String>? = nil) {
        for interface in interfaces where names?.contains(interface.name) != false { host.announce(on: interface.id) }
        onWork?()
    }
}

extension Session {
    fileprivate func wasAway(for time: Interval) { shell.foreground?.tool.wasAway(time) }
}
