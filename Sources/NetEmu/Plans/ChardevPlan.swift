// Character devices as options describe them: -chardev, and the short forms of -monitor and -serial.

import Linux

/// A character device that is to be made.
public struct ChardevPlan: Sendable {
    /// What is behind it.
    public enum Kind: Equatable, Sendable {
        /// Swallows all and says nothing.
        case null
        /// stdin and stdout. `takesSignals`: Ctrl-C is typed, not a signal (`signal=off`).
        case stdio(takesSignals: Bool)
        /// A stream socket.
        case socket(SocketChardevPlan)
    }

    /// By which others name it.
    public var id: String
    /// What is behind it.
    public var kind: Kind
    /// Monitor and console share it: Ctrl-A is the multiplexer's key.
    public var isMultiplexed = false
    /// The option as typed; nil from the monitor.
    public var location: String?
}

/// A socket as a character device.
public struct SocketChardevPlan: Equatable, Sendable {
    /// Where it listens or connects.
    public var address: StreamAddress
    /// It listens.
    public var isServer = false
    /// The start waits for the first client. Servers only.
    public var waits = false
    /// Milliseconds between attempts to connect again; 0 never does. Clients only.
    public var reconnect: UInt32 = 0
    /// Its peer speaks telnet (RFC 854).
    public var isTelnet = false
    /// `nodelay=on`: TCP_NODELAY.
    public var hasNoDelay = false
}

/// A monitor on a character device.
public struct MonitorPlan: Equatable, Sendable {
    /// The id of the character device.
    public var chardev: String
    /// Of the object that it is; nil for one of -monitor and -mon.
    public var id: String?
    /// The option as typed.
    public var location: String?
}
