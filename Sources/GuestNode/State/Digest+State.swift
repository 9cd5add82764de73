// A digest under way, and the count that goes with it, on their way to another process.

import Bytes
import CNettle

extension Digest {
    /// The words of the hash, blocks and bytes so far, the open block.
    mutating func code(_ coder: inout StateCoder) throws(StateError) {
        var (state, block) = (context.state, context.block)
        var words = withUnsafeBytes(of: &state) { Array($0.bindMemory(to: UInt32.self)) }
        for index in words.indices { try coder.integer(&words[index]) }
        var (count, index) = (context.count, context.index)
        try coder.integer(&count)
        try coder.integer(&index)
        let room = MemoryLayout.size(ofValue: block)
        try coder.require(index < UInt32(truncatingIfNeeded: room), "a digest")
        var bytes = withUnsafeBytes(of: &block) { Array($0) }
        try coder.data(&bytes, limit: room)
        try coder.require(bytes.count == room, "a digest")
        guard coder.isReading else { return }
        withUnsafeMutableBytes(of: &context.state) { $0.copyBytes(from: words.withUnsafeBytes { Array($0) }) }
        withUnsafeMutableBytes(of: &context.block) { $0.copyBytes(from: bytes) }
        (context.count, context.index) = (count, index)
    }
}

extension ByteTally: StateCoded {
    static var blank: ByteTally { ByteTally(isHashed: false) }

    mutating func code(_ coder: inout StateCoder) throws(StateError) {
        try coder.integer(&count)
        var isHashed = digest != nil
        try coder.flag(&isHashed)
        guard isHashed else {
            digest = nil
            return
        }
        var hash = digest ?? Digest()
        try hash.code(&coder)
        digest = hash
    }
}
