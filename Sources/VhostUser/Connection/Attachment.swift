// What travels beside the bytes of a message (vhost-user specification, "Ancillary data").

import Linux

/// A descriptor that travels with a message; its owner lives at least as long.
public struct Attachment {
    /// The descriptor's number while its owner lives.
    public let raw: CInt
    private let owner: AnyObject

    /// An eventfd.
    public init(_ event: SharedEvent) { (raw, owner) = (event.raw, event) }
    /// Any descriptor.
    public init(_ shared: SharedDescriptor) { (raw, owner) = (shared.raw, shared) }
    /// A memory file.
    public init(_ memory: SharedMemory) { (raw, owner) = (memory.descriptor.raw, memory) }
}
