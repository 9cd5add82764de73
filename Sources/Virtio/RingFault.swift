// What a peer can do wrong on a running ring, as values. A broken ring stays broken until it is set up
// anew; whoever drives it reads `fault` and decides (docs/misbehaviours.md, reaction B).

/// Why a ring is broken.
public enum RingFault: Error, Hashable, Sendable {
    /// avail.idx moved to a place that more than `size` entries would be pending (RV-09, RV-10, RV-17).
    case availIndex(UInt16, next: UInt16, size: UInt16)
    /// used.idx moved further than chains are outstanding (RF-01).
    case usedIndex(UInt16, next: UInt16, outstanding: UInt16)
    /// A head at or above the size (RV-11, RF-02).
    case head(UInt32, size: UInt16)
    /// A used head that is not outstanding (RF-02).
    case notOutstanding(head: UInt16)
    /// A frame's header names more buffers than the `given` ones from it on (RF-05).
    case missingBuffers(given: UInt16)
    /// `next` points outside its table (RV-12).
    case next(UInt16, limit: UInt32)
    /// More descriptors than the table has: a loop (RV-13).
    case chainTooLong(limit: UInt32)
    /// VIRTIO_F_INDIRECT_DESC was not negotiated, or a table lies in a table, or is followed by NEXT (RV-18).
    case illegalIndirect(flags: UInt16)
    /// The table's length is no positive multiple of 16, or too large (RV-18).
    case indirectLength(UInt32)
    /// The table is not in guest memory (RV-18).
    case indirectUnmapped(address: UInt64, length: UInt32)
}

extension RingFault: CustomStringConvertible {
    public var description: String {
        switch self {
        case .availIndex(let index, let next, let size):
            "avail index \(index) is more than \(size) entries from \(next)"
        case .usedIndex(let index, let next, let outstanding):
            "used index \(index) is more than the \(outstanding) outstanding chains from \(next)"
        case .head(let head, let size): "head \(head) in a queue of size \(size)"
        case .notOutstanding(let head): "used head \(head) is not outstanding"
        case .missingBuffers(let given): "a frame of more buffers than the \(given) that were given back"
        case .next(let next, let limit): "descriptor \(next) in a table of \(limit)"
        case .chainTooLong(let limit): "descriptor chain longer than its table of \(limit)"
        case .illegalIndirect(let flags): "indirect descriptor with flags \(flags) is not allowed here"
        case .indirectLength(let length): "indirect table of \(length) bytes: multiples of 16 are accepted"
        case .indirectUnmapped(let address, let length):
            "indirect table at 0x\(String(address, radix: 16)), \(length) bytes, is not in guest memory"
        }
    }
}
