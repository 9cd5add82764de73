// What becomes of a node that has moved: its network is to hear where it is now.

import NetStack

extension Node {
    /// Says once, on every network or on those of some NICs, that the node's MAC and IPv4 addresses are here. The frames
    /// leave in the next turn as all others do. When to say it again is ``AnnounceSchedule``'s.
    public func announce(on names: Set<String>? = nil) {
        for interface in interfaces where names?.contains(interface.name) != false { host.announce(on: interface.id) }
        onWork?()
    }
}
