// Datagrams of which fragments have come, on their way to another process with what is left of their time.

import Bytes

extension Reassembly {
    private struct Listed: StateCoded {
        var key: Key
        var datagram: Datagram
        static var blank: Listed {
            Listed(
                key: Key(source: .any, destination: .any, proto: .udp, identification: 0),
                datagram: Datagram(deadline: Instant(nanoseconds: 0), order: 0))
        }

        mutating func code(_ coder: inout StateCoder) throws(StateError) {
            try key.code(&coder)
            try datagram.code(&coder)
        }
    }

    /// The oldest datagram first.
    mutating func code(_ coder: inout StateCoder) throws(StateError) {
        try coder.integer(&begun)
        try coder.count(&evicted, in: 0...Int(Int32.max), "datagrams given up")
        var listed = datagrams.map { Listed(key: $0.key, datagram: $0.value) }
        listed.sort { $0.datagram.order < $1.datagram.order }
        try coder.list(&listed, limit: Self.datagramLimit, "number of datagrams in pieces")
        guard coder.isReading else { return }
        datagrams = [:]
        for one in listed {
            guard datagrams.updateValue(one.datagram, forKey: one.key) == nil else {
                throw .impossible("two datagrams of the same name")
            }
        }
    }
}

extension Reassembly.Key {
    fileprivate mutating func code(_ coder: inout StateCoder) throws(StateError) {
        try source.code(&coder)
        try destination.code(&coder)
        var number = proto.rawValue
        try coder.integer(&number)
        proto = IPProtocol(rawValue: number)
        try coder.integer(&identification)
    }
}

extension Reassembly.Datagram {
    fileprivate mutating func code(_ coder: inout StateCoder) throws(StateError) {
        try coder.instant(&deadline)
        try coder.integer(&order)
        try coder.flag(&isCondemned)
        var whole = length ?? 0
        var knowsLength = length != nil
        try coder.flag(&knowsLength)
        try coder.count(&whole, in: 0...Reassembly.maximumPayload, "length of a datagram")
        length = knowsLength ? whole : nil
        try codeRanges(&coder)
        try coder.data(&bytes, limit: Reassembly.maximumPayload)
        let end = ranges.last?.upperBound ?? 0
        try coder.require(bytes.count == end && end <= length ?? end && !isComplete, "pieces of a datagram")
    }

    private mutating func codeRanges(_ coder: inout StateCoder) throws(StateError) {
        var count = ranges.count
        try coder.count(&count, atMost: Reassembly.fragmentLimit, "number of pieces")
        let written = ranges
        ranges = coder.isReading ? [] : ranges
        var end = 0
        for index in 0..<count {
            var (from, to) = coder.isReading ? (0, 0) : (written[index].lowerBound, written[index].upperBound)
            try coder.count(&from, in: end...Reassembly.maximumPayload, "place of a piece")
            try coder.count(&to, in: from...Reassembly.maximumPayload, "length of a piece")
            try coder.require(from < to, "length of a piece")
            if coder.isReading { ranges.append(from..<to) }
            end = to
        }
    }
}
