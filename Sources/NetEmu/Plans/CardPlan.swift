// Network cards as options describe them.

import Link

/// A card that is to be made.
public struct CardPlan: Sendable {
    /// Which option asks for it: they differ in what is an error and in what it is called.
    public enum Origin: Equatable, Sendable {
        /// `-nic`, with the back-end of the same option.
        case nic
        /// `-net nic`: on hub 0, or on the back-end that it names.
        case legacy
        /// `-device`, `device_add`.
        case device
    }

    /// Which option asks for it.
    public var origin: Origin
    /// The user's id; a card of `-device` is called so.
    public var id: String?
    /// `-net nic,name=`: what it is called instead of by its model.
    public var name: String?
    /// The model; nil for a name that no card has.
    public var model: CardModel?
    /// The model as typed, for what is said of it.
    public var typedModel: String?
    /// `mac=`, `macaddr=`; nil: one is chosen.
    public var mac: MACAddress?
    /// The id of the back-end.
    public var netdev: String?
    /// What the device was told beside that.
    public var settings = CardSettings()
    /// The option as typed; nil from the monitor.
    public var location: String?
}

/// What `-device virtio-net-pci` can be told of the device.
public struct CardSettings: Equatable, Sendable {
    /// `host_mtu=`.
    public var mtu: UInt16?
    /// Feature bits that are not to be offered.
    public var withheldFeatures: UInt64 = 0
    /// Entries of each queue; powers of two.
    public var receiveQueueSize: UInt16 = 256
    /// Of the transmit queue.
    public var transmitQueueSize: UInt16 = 256
}
