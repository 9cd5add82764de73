// Back-ends as options describe them: checked values, nothing made yet. The command line and the
// monitor make the same plans.

import Linux
import PasstLauncher

/// A back-end that is to be made.
public struct NetdevPlan: Sendable {
    /// What makes the back-end.
    public enum Kind: Sendable {
        case passt(PasstOptions)
        case stream(StreamPlan)
        case vhostUser(VhostUserPlan)
        /// A port of a hub; `netdev` names a back-end that hangs on it.
        case hubPort(hub: Int32, netdev: String?)
    }

    /// The user's id, of legal form; nil when one is to be generated.
    public var id: String?
    public var kind: Kind
    /// The option as typed, with which failures are told; nil from the monitor.
    public var location: String?

    /// The type by name; nil for a hub port.
    public var type: NetdevType? {
        switch kind {
        case .passt: .passt
        case .stream: .stream
        case .vhostUser: .vhostUser
        case .hubPort: nil
        }
    }

    /// It works on the card's rings itself, in another process.
    public var worksOnRings: Bool {
        switch kind {
        case .passt(let options): options.vhostUser
        case .vhostUser: true
        case .stream, .hubPort: false
        }
    }
}

/// `-netdev stream`.
public struct StreamPlan: Equatable, Sendable {
    public var address: StreamAddress
    public var isServer = false
    /// Milliseconds between attempts to connect again; 0 never does.
    public var reconnect: UInt32 = 0
}

/// `-netdev vhost-user`.
public struct VhostUserPlan: Equatable, Sendable {
    /// The id of the character device.
    public var chardev: String
}
