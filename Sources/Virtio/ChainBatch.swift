// Room for the chains of one batch: made once, lent to `pop` again and again, so that no frame costs an
// allocation. The spans are iovecs, ready for the kernel.

import Glibc

/// A chain the driver made available; its spans lie in the batch.
public struct DeviceChain: Hashable, Sendable {
    /// Index of the chain's first descriptor: what `push` is given.
    public var head: UInt16
    /// Spans to read, then spans to write.
    public var readable: UInt16
    /// Spans to write.
    public var writable: UInt16
    /// Index of the first span in the batch.
    public var firstSegment: UInt32
    /// Sum of the spans to read.
    public var readableBytes: UInt32
    /// Saturates.
    public var writableBytes: UInt32
}

/// A batch of chains and the spans of guest memory they name.
public struct ChainBatch: ~Copyable, @unchecked Sendable {
    @usableFromInline let chainRoom: UnsafeMutablePointer<DeviceChain>
    @usableFromInline let segmentRoom: UnsafeMutablePointer<iovec>
    /// The most chains of a batch.
    public let chainCapacity: Int
    /// The most spans of all chains together.
    public let segmentCapacity: Int
    /// Chains in the batch now.
    public internal(set) var chainCount = 0
    @usableFromInline var segmentCount = 0

    /// - Parameters: the most chains of a batch, and the most spans of all of them. A chain with more spans than that
    ///   is refused.
    public init(chains: Int = 64, segments: Int = 1024) {
        chainCapacity = max(1, chains)
        segmentCapacity = max(1, segments)
        chainRoom = .allocate(capacity: chainCapacity)
        segmentRoom = .allocate(capacity: segmentCapacity)
        chainRoom.initialize(
            repeating: DeviceChain(
                head: 0, readable: 0, writable: 0, firstSegment: 0, readableBytes: 0, writableBytes: 0),
            count: chainCapacity)
        segmentRoom.initialize(repeating: iovec(), count: segmentCapacity)
    }

    deinit {
        chainRoom.deallocate()
        segmentRoom.deallocate()
    }

    /// The chains in the order of the ring; lent until the batch changes.
    @inlinable
    public var chains: UnsafeBufferPointer<DeviceChain> { UnsafeBufferPointer(start: chainRoom, count: chainCount) }

    /// The spans of `chain`, readable ones first; empty when it is not of this batch.
    @inlinable
    public func segments(of chain: DeviceChain) -> UnsafeBufferPointer<iovec> {
        let count = Int(chain.readable) + Int(chain.writable)
        guard Int(chain.firstSegment) + count <= segmentCount else { return UnsafeBufferPointer(start: nil, count: 0) }
        return UnsafeBufferPointer(start: segmentRoom + Int(chain.firstSegment), count: count)
    }

    /// The first span of `chain`: all of a chain of one. An empty one when the chain is not of this batch.
    @inlinable
    public func first(of chain: DeviceChain) -> iovec {
        Int(chain.firstSegment) < segmentCount ? segmentRoom[Int(chain.firstSegment)] : iovec()
    }

    /// Copies readable bytes of `chain` that start at `offset`, over the borders of its spans; returns how many.
    @inlinable
    public func copy(of chain: DeviceChain, from offset: Int, into room: UnsafeMutableRawBufferPointer) -> Int {
        let spans = segments(of: chain)
        if spans.count == 1, let source = spans[0].iov_base, let target = room.baseAddress, chain.readable == 1 {
            let count = min(spans[0].iov_len &- offset, room.count)
            guard offset >= 0, count > 0 else { return 0 }
            target.copyMemory(from: source + offset, byteCount: count)
            return count
        }
        return copyPieces(of: chain, from: offset, into: room)
    }

    @usableFromInline
    func copyPieces(of chain: DeviceChain, from offset: Int, into room: UnsafeMutableRawBufferPointer) -> Int {
        var skip = max(0, offset)
        var done = 0
        for span in segments(of: chain).prefix(Int(chain.readable)) where done < room.count {
            guard skip < span.iov_len, let base = span.iov_base else {
                skip -= span.iov_len
                continue
            }
            let count = min(span.iov_len - skip, room.count - done)
            UnsafeMutableRawBufferPointer(rebasing: room[done..<done + count])
                .copyMemory(from: UnsafeRawBufferPointer(start: base + skip, count: count))
            done += count
            skip = 0
        }
        return done
    }

    /// A private copy of the header a frame to the device begins with; nil when the chain is too short for one (RV-21).
    @inlinable
    public func header(of chain: DeviceChain) -> NetHeader? {
        guard chain.readableBytes >= UInt32(NetHeader.size), let first = segments(of: chain).first else { return nil }
        if first.iov_len >= NetHeader.size, let base = first.iov_base { return NetHeader(copying: base) }
        return scatteredHeader(of: chain)
    }

    @usableFromInline
    func scatteredHeader(of chain: DeviceChain) -> NetHeader? {
        withUnsafeTemporaryAllocation(byteCount: NetHeader.size, alignment: 8) { room in
            guard copyPieces(of: chain, from: 0, into: room) == NetHeader.size else { return nil }
            return room.baseAddress.map { NetHeader(copying: $0) }
        }
    }

    @inline(__always)
    mutating func clear() {
        chainCount = 0
        segmentCount = 0
    }

    /// Adds a span to the chain that is being built; false when there is no room.
    @inline(__always)
    mutating func append(_ base: UnsafeMutableRawPointer, count: Int) -> Bool {
        guard segmentCount < segmentCapacity else { return false }
        segmentRoom[segmentCount] = iovec(iov_base: base, iov_len: count)
        segmentCount &+= 1
        return true
    }

    /// Ends the chain that is being built. The caller made sure of room.
    @inline(__always)
    mutating func close(_ chain: DeviceChain) {
        guard chainCount < chainCapacity else { return }
        chainRoom[chainCount] = chain
        chainCount &+= 1
    }

    /// Forgets the spans of a chain that was not closed.
    mutating func abandon(to segmentCount: Int) { self.segmentCount = min(segmentCount, self.segmentCount) }

    mutating func dropLast(_ count: Int) {
        guard count > 0, count <= chainCount else { return }
        chainCount -= count
        segmentCount = Int(chainRoom[chainCount].firstSegment)
    }
}
