// echod: sends back what comes over TCP to everybody who connects (RFC 862), until Ctrl-C. Of each connection a share is
// moved in a step, so that nobody waits for somebody who sends without end.

import Bytes
import NetStack

/// An echod under way.
struct EchoServer: RunningTool {
    var port: UInt16
    /// nil: it does not listen yet.
    var listener: TCPSocketID?
    var connections: [TCPSocketID] = []

    /// Bytes a step moves at most, of all connections.
    private static let bytesPerStep = 1 << 20
    /// Of one, if there are few, and however many there are.
    private static let (largestShare, smallestShare) = (1 << 16, 1 << 12)

    init(_ arguments: [String]) throws(UsageError) {
        guard let word = arguments.first else { throw .missingOperand("PORT") }
        if arguments.count > 1 { throw .extraOperand(arguments[1]) }
        port = try NetcatOptions.port(word)
    }

    init(port: UInt16) { self.port = port }

    mutating func step(_ context: inout ToolContext, now: Instant) -> ToolStep {
        let tcp = context.host.tcp
        if listener == nil {
            do throws(TCPError) {
                listener = try tcp.listen(on: port)
            } catch {
                context.complain("echod: listen on port \(port): \(error.reason)\n")
                return .finished(ExitStatus.failure)
            }
        }
        guard let listener else { return .finished(ExitStatus.failure) }
        while let id = tcp.accept(listener) {
            tcp.setNagle(id, false)
            connections.append(id)
        }
        return echo(tcp, now) ? .again : .running(until: nil)
    }

    mutating func interrupt(_ context: inout ToolContext, now: Instant) -> Int32 {
        for id in connections + (listener.map { [$0] } ?? []) { context.host.tcp.release(id, now: now) }
        (listener, connections) = (nil, [])
        return ExitStatus.interrupted
    }

    /// True when something was moved.
    private mutating func echo(_ tcp: TCPLayer, _ now: Instant) -> Bool {
        let share = min(Self.largestShare, max(Self.smallestShare, Self.bytesPerStep / max(1, connections.count)))
        return withUnsafeTemporaryAllocation(byteCount: share, alignment: 16) { room in
            var hasMoved = false
            connections.removeAll { id in
                guard let count = Self.echo(id, tcp, room, now) else {
                    tcp.release(id, now: now)
                    return true
                }
                hasMoved = hasMoved || count > 0
                return false
            }
            return hasMoved
        }
    }

    /// How many bytes of one connection went back; nil when it is over.
    private static func echo(
        _ id: TCPSocketID, _ tcp: TCPLayer, _ room: UnsafeMutableRawBufferPointer, _ now: Instant
    ) -> Int? {
        var count = 0
        // The layer must not be called while a span is lent: looked at first, taken when it has been sent.
        let look = tcp.withReceiveSpan(id, now: now) { span in
            count = min(span.count, room.count)
            room.copyMemory(from: UnsafeRawBufferPointer(rebasing: span[..<count]))
            return 0
        }
        switch look {
        case .moved: break
        case .blocked: return 0
        case .ended, .unknown: return nil
        }
        let sent = tcp.send(id, UnsafeRawBufferPointer(rebasing: room[..<count]), now: now).count
        if sent > 0 { _ = tcp.withReceiveSpan(id, now: now) { _ in sent } }
        return sent
    }
}
