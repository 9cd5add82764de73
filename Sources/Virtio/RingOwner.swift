// Who owns the rings that a back-end works on. A back-end knows no more of its device than this.

/// A device, or whatever else has rings, as a back-end sees it.
public protocol RingOwner: AnyObject {
    /// Where the rings and what they point to lie.
    var memory: GuestMemory { get }
    /// The back-end used buffers of `queue`, and the driver wants to know.
    func interrupt(queue: UInt16)
    /// A ring makes no sense: it is not touched any more until it was set up anew.
    func ringBroke()
}
