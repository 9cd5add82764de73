// Character devices as options describe them: -chardev, and the short forms of -monitor and -serial.

import Linux

/// A character device that is to be made.
public struct ChardevPlan: Sendable {
    public enum Kind: Equatable, Sendable {
        case null
        /// stdin and stdout. `takesSignals`: Ctrl-C is typed, not a signal (`signal=off`).
        case stdio(takesSignals: Bool)
        case socket(SocketChardevPlan)
    }

    public var id: String
    public var kind: Kind
    /// Monitor and console share it: Ctrl-A is the multiplexer's key.
    public var isMultiplexed = false
    /// The option as typed; nil from the monitor.
    public var location: String?
}

/// A socket as a character device.
public struct SocketChardevPlan: Equatable, Sendable {
    public var address: StreamAddress
    public var isServer = false
    /// The start waits for the first client. Servers only.
    public var waits = false
    /// Milliseconds between attempts to connect again; 0 never does. Clients only.
    public var reconnect: UInt32 = 0
    public var isTelnet = false
    public var hasNoDelay = false
}

/// A monitor on a character device.
public struct MonitorPlan: Equatable, Sendable {
    public var chardev: String
    /// The option as typed.
    public var location: String?
}
