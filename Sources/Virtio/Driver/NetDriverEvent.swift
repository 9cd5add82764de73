// What a network driver tells its owner, and why it gives up. Values only; the owner decides what to do.

/// Where a driver stands.
public enum NetDriverState: Hashable, Sendable {
    /// The device cannot be started yet: no back-end has told what it can do.
    case absent
    /// A reset was asked for; the rings may still be touched.
    case resetting
    /// DRIVER_OK is set and the rings are whole; frames pass when the link is up, too.
    case running
    /// Given up: `NetDriver.restart` tries again.
    case failed
    /// A last reset is under way.
    case leaving
    /// The device was reset for the last time, and the rings' memory is the heap's again.
    case gone
}

/// News from a driver.
public enum NetDriverEvent: Equatable, Sendable {
    /// A reset begins; `running` or `failed` follows, or `absent` without an event.
    case resetting
    /// Frames can pass, or cannot any more: the driver's state, the cable and the back-end together.
    case link(isUp: Bool)
    /// Given up, for this reason.
    case failed(NetDriverFault)
    /// Told once, when the last reset is complete.
    case gone
}

/// Why a driver gave up.
public enum NetDriverFault: Error, Equatable, Sendable {
    /// The back-end broke a ring.
    case ring(RingFault)
    /// The device did not take FEATURES_OK for these bits (VIRTIO 1.3, 3.1.1, step 6).
    case featuresRefused(UInt64)
    /// No rings: guest RAM is used up, or the device's queue sizes are no sizes.
    case rings(VirtioError)
}

extension NetDriverFault: CustomStringConvertible {
    public var description: String {
        switch self {
        case .ring(let fault): "the back-end broke a ring: \(fault)"
        case .featuresRefused(let features): "the device refuses features 0x\(String(features, radix: 16))"
        case .rings(let error): "\(error)"
        }
    }
}
