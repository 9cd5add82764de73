// What travels beside the bytes of a message (vhost-user specification, "Ancillary data").

import Linux

/// A descriptor that travels with a message; its owner lives at least as long.
public struct Attachment {
    public let raw: CInt
    private let owner: AnyObject

    public init(_ event: SharedEvent) { (raw, owner) = (event.raw, event) }
    public init(_ shared: SharedDescriptor) { (raw, owner) = (shared.raw, shared) }
    public init(_ memory: SharedMemory) { (raw, owner) = (memory.descriptor.raw, memory) }
}
