// DNS over TCP (RFC 7766; RFC 1035, 4.2.2): a query whose answer does not fit into a datagram is asked again in a
// connection of its own, which ends with the answer. How long that may take is the resolver's to say.

import Bytes

/// A query in a connection.
struct NameStream {
    let query: QueryID
    let socket: TCPSocketID
    /// The message behind its length; what of it has not been sent.
    var unsent: ArraySlice<UInt8>
    /// The answer behind its length, as far as it has come.
    var received: [UInt8] = []

    /// The whole answer, once it is there.
    var answer: ArraySlice<UInt8>? {
        guard received.count >= 2 else { return nil }
        let length = Int(received[0]) << 8 | Int(received[1])
        return received.count >= 2 + length ? received[2..<2 + length] : nil
    }
}

extension Host {
    static let answerLimit = 2 + 65535

    /// Connects for the queries that the resolver wants asked by TCP.
    func startNameStreams(_ now: Instant) {
        while let wanted = resolver.nextStream() {
            let bytes = [UInt8](unsafeUninitializedCapacity: DNSMessage.maximumSize) { buffer, count in
                var writer = ByteWriter(UnsafeMutableRawBufferPointer(buffer))
                count = (try? wanted.message.write(to: &writer)) == nil ? 0 : writer.offset
            }
            let length = [UInt8(truncatingIfNeeded: bytes.count >> 8), UInt8(truncatingIfNeeded: bytes.count)]
            do throws(TCPError) {
                let socket = try tcp.connect(to: TCPEndpoint(wanted.server, Resolver.serverPort), now: now)
                nameStreams.append(NameStream(query: wanted.query, socket: socket, unsent: (length + bytes)[...]))
            } catch { resolver.streamFailed(wanted.query, now: now) }
        }
        dropNameStreams(now)
    }

    /// Moves what can be moved; a connection that ends without an answer is as good as silence of its server.
    func advanceNameStreams(_ now: Instant) {
        guard !nameStreams.isEmpty else { return }
        for index in nameStreams.indices where move(&nameStreams[index], now) {
            let stream = nameStreams[index]
            if let answer = stream.answer {
                answer.withUnsafeBytes { resolver.receive($0, inStreamOf: stream.query, now: now) }
            } else {
                resolver.streamFailed(stream.query, now: now)
            }
        }
        sendQueries(now)
    }

    /// True when the stream is over, with its answer or without.
    private func move(_ stream: inout NameStream, _ now: Instant) -> Bool {
        guard resolver.isStreaming(stream.query) else { return false }
        guard let status = tcp.status(stream.socket) else { return true }
        if status.isConnected, !stream.unsent.isEmpty {
            let sent = stream.unsent.withUnsafeBytes { tcp.send(stream.socket, $0, now: now) }.count
            stream.unsent = stream.unsent.dropFirst(sent)
        }
        var taken = 0
        repeat {
            taken =
                tcp.withReceiveSpan(stream.socket, now: now) { span in
                    let piece = span.prefix(Self.answerLimit - stream.received.count)
                    stream.received += piece
                    return piece.count
                }.count
        } while taken > 0
        return stream.answer != nil || status.error != nil || status.isEOF
    }

    /// Connections whose query has gone on, or is over.
    func dropNameStreams(_ now: Instant) {
        for stream in nameStreams where !resolver.isStreaming(stream.query) { tcp.release(stream.socket, now: now) }
        nameStreams.removeAll { !resolver.isStreaming($0.query) }
    }
}
