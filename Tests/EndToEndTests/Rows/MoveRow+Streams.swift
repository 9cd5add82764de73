// Rows with whole connections: lines, bulk and paced counting streams either way, one, many, and none of them busy.

import Glibc
import TestSupport
import Testing

extension MoveRow {
    static let streams: [MoveRow] = [
        basic, bulkOut, bulkIn, bothWays, flows(1), flows(20), chain, sixteenOut, sixteenIn,
        MoveRow("a ramp out") { stage in try sends("2M", stage) },
        MoveRow("a byte at a time") { stage in try sends("100", stage) },
        MoveRow("a ramp in") { stage in try checks("say:9002:0:2000000", stage) },
        MoveRow("a quiet connection through a forwarded port") { stage in
            try stage.type("ramp check -l -n 8 \(MoveStage.forwarded)" + MoveStage.ends)
            let peer = try stage.serve("call-gate:\(MoveStage.forwarded):8")
            try stage.waitForCaller()
            try stage.move(had: 1)
            peer.signal(SIGUSR1)
            #expect(try stage.reported(stage.finish()) == 8)
            #expect(try stage.bytes(peer) == 8)
        },
        forwardedIn,
        MoveRow("a ramp out through a forwarded port") { stage in
            try stage.type("ramp send -l \(MoveStage.forwarded) 2M")
            let peer = try stage.serve("call-ramp:\(MoveStage.forwarded)")
            try stage.waitForCaller()
            try stage.move(had: 1)
            let sent = try stage.reported(stage.interrupt())
            #expect(try stage.bytes(peer) == sent)
        },
    ]

    /// The destination's passt listens there before it has put the connection up.
    static let forwardedIn = MoveRow("a ramp in through a forwarded port") { stage in
        try stage.type("ramp check -l \(MoveStage.forwarded)" + MoveStage.ends)
        let peer = try stage.serve("call-say:\(MoveStage.forwarded):0:2000000")
        try stage.waitForCaller()
        try stage.move(had: 1)
        peer.signal(SIGUSR1)
        let received = try stage.reported(stage.finish())
        #expect(try stage.bytes(peer) == received)
    }

    /// Lines go both ways before and after.
    static let basic = MoveRow("a conversation") { stage in
        try stage.type("nc \(gateway) 9007")
        try stage.converse("before")
        try stage.move(had: 1)
        try stage.converse("behind")
        try stage.interrupt()
    }

    static let bulkOut = MoveRow("bulk out, as fast as it goes") { stage in try sends("", stage) }
    static let bulkIn = MoveRow("bulk in, as fast as it goes") { stage in try checks("say:9002:0", stage) }
    static let sixteenOut = MoveRow("16 streams out") { stage in try sends("200K", streams: 16, stage) }
    static let sixteenIn = MoveRow("16 streams in") { stage in try checks("say:9002:0:200000", streams: 16, stage) }
    static let chain = MoveRow("there, back and there again") { stage in
        try sends("500K", streams: 3, moves: 3, stage)
    }

    static let bothWays = MoveRow("bulk both ways") { stage in
        _ = try stage.serve("echo:9017:0:3000000")
        let command = "nc -N --send-bytes 9000000 --sha256 \(gateway) 9017 >/dev/null"
        try stage.type(command + MoveStage.ends, connects: 1, to: 9017)
        try stage.move(had: 1)
        let digests = try stage.finish().split(whereSeparator: \.isNewline).filter {
            $0.contains("9000000 bytes sha256 ")
        }
        #expect(digests.count == 2 && Set(digests.map { $0.suffix(64) }).count == 1, "\(digests)\n\(stage.transcript)")
    }

    /// Connections without a byte until they have moved, but the first word; then each gets another, and ends.
    static func flows(_ count: Int) -> MoveRow {
        MoveRow("\(count) quiet connection\(count > 1 ? "s" : "")") { stage in
            let peer = try stage.serve("gate:9003:8")
            let command = "ramp check -P \(count) -n 8 \(gateway) 9003"
            try stage.type(command + MoveStage.ends, connects: count, to: 9003)
            try stage.move(had: count)
            peer.signal(SIGUSR1)
            #expect(try stage.reported(stage.finish()) == 8 * count)
            #expect(try stage.bytes(peer, streams: count) == 8 * count)
        }
    }

    /// The guest sends until Ctrl-C; the host has to get as much.
    private static func sends(_ rate: String, streams: Int = 1, moves: Int = 1, _ stage: MoveStage) throws {
        let peer = try stage.serve("ramp:9001")
        let several = streams > 1 ? "-P \(streams) " : ""
        try stage.type("ramp send \(several)\(gateway) 9001 \(rate)", connects: streams, to: 9001)
        for _ in 0..<moves { try stage.move(had: streams) }
        let sent = try stage.reported(stage.interrupt())
        #expect(try stage.bytes(peer, streams: streams) == sent)
    }

    /// The guest looks at what the host says until the signal; it has to get as much.
    private static func checks(_ service: String, streams: Int = 1, _ stage: MoveStage) throws {
        let peer = try stage.serve(service)
        let several = streams > 1 ? "-P \(streams) " : ""
        try stage.type("ramp check \(several)\(gateway) 9002" + MoveStage.ends, connects: streams, to: 9002)
        try stage.move(had: streams)
        peer.signal(SIGUSR1)
        let received = try stage.reported(stage.finish())
        #expect(try stage.bytes(peer, streams: streams) == received)
    }
}
