// Queued packets on their way to another process: with their bytes, or by their places where the memory of the queue
// moves by itself.

import Bytes

extension PacketQueue {
    /// Packets with their bytes, the oldest first; read, the queue is empty.
    mutating func code(_ coder: inout StateCoder) throws(StateError) {
        var waiting = count
        try coder.count(&waiting, atMost: limit, "number of packets")
        for index in 0..<waiting {
            var record = coder.isReading ? PacketRecord(offset: 0, length: 0) : record(index)
            var bytes = coder.isReading ? [] : Array(span[record.offset..<record.offset + record.length])
            try record.source.code(&coder)
            try record.destination.code(&coder)
            try coder.data(&bytes, limit: span.count)
            guard coder.isReading else { continue }
            guard let room = reserve(bytes.count) else { throw .impossible("packets of a queue") }
            room.copyBytes(from: bytes)
            commit(bytes.count, from: record.source, to: record.destination)
        }
    }

    /// Packets without their bytes, which stay where they lie.
    mutating func codePlaces(_ coder: inout StateCoder) throws(StateError) {
        var waiting = count
        try coder.count(&waiting, atMost: limit, "number of packets")
        for index in 0..<waiting {
            var record = coder.isReading ? PacketRecord(offset: 0, length: 0) : record(index)
            try record.source.code(&coder)
            try record.destination.code(&coder)
            try coder.count(&record.offset, in: 0...span.count, "place of a packet")
            try coder.count(&record.length, in: 0...span.count - record.offset, "length of a packet")
            if coder.isReading { restore(record) }
        }
    }
}
