// Connections that are no plain stream when the guest moves: half closed, not yet open, just refused, with bytes that nobody
// has read; and datagrams.

import Glibc
import TestSupport
import Testing

extension MoveRow {
    static let states: [MoveRow] = [
        guestHalf,
        MoveRow("the peer had closed its half") { stage in
            let peer = try stage.serve("mute:9001")
            try stage.type("ramp send \(gateway) 9001 2M", connects: 1, to: 9001)
            #expect(try stage.connections(to: 9001).map(\.state) == ["CLOSE-WAIT"])
            try stage.move(had: 1)
            let sent = try stage.reported(stage.interrupt())
            #expect(try stage.bytes(peer) == sent)
        },
        unread("a peer that has not read yet", bytes: 20_000_000),
        MoveRow("a guest that reads slowly") { stage in
            let peer = try stage.serve("say:9002:0")
            try stage.type("ramp check \(gateway) 9002 1M" + MoveStage.ends, connects: 1, to: 9002)
            try stage.move(had: 1)
            // What lies in the queues by now takes a few seconds.
            peer.signal(SIGUSR1)
            let received = try stage.reported(stage.finish())
            #expect(try stage.bytes(peer) == received)
        },
        unread("a FIN that has not been taken", bytes: 4_000_000),
        MoveRow("a connection that nobody has answered") { stage in
            let wire = ["ip", "neigh", "replace", gateway, "lladdr", "02:00:00:00:00:01", "nud", "permanent"]
            let made = try stage.ground.namespace.run(wire + ["dev", "host0"])
            #expect(made.status == .exited(0), "\(made.child.transcript)")
            try stage.type("nc 203.0.113.9 9007")
            let isOpening = try stage.soon { try stage.connections(to: 9007).map(\.state) == ["SYN-SENT"] }
            #expect(isOpening, "\(stage.transcript)")
            try stage.move(had: 0)
            _ = try stage.ground.namespace.run(["ip", "addr", "add", "203.0.113.9/32", "dev", "lo"])
            try stage.converse("behind")
            try stage.interrupt()
        },
        MoveRow("a connection that was just refused", isReset: true) { stage in
            try stage.prepare()
            try stage.type("nc \(gateway) 9" + MoveStage.ends)
            try stage.finish(1)
            try stage.move(had: 0)
            #expect(stage.shown.contains("port 9 (tcp) failed: Connection refused"), "\(stage.transcript)")
            try stage.type("nc \(gateway) 9007")
            try stage.converse("behind")
        },
        MoveRow("datagrams") { stage in
            try stage.type("nc -u \(gateway) 9007")
            try stage.converse("before")
            try stage.move(had: 0)
            try stage.converse("behind")
            try stage.interrupt()
        },
    ]

    /// The peer reads nothing before the guest has moved: of a few bytes the end waits there, too.
    private static func unread(_ name: String, bytes: Int) -> MoveRow {
        MoveRow(name) { stage in
            let peer = try stage.serve("late:9001")
            try stage.type("ramp send -n \(bytes) \(gateway) 9001" + MoveStage.ends, connects: 1, to: 9001)
            try stage.move(had: 1)
            peer.signal(SIGUSR1)
            try stage.finish()
            #expect(try stage.bytes(peer) == bytes)
        }
    }

    static let guestHalf = MoveRow("the guest had closed its half") { stage in
        let peer = try stage.serve("say:9002:0:2000000")
        let command = "nc -N --send-bytes 1000 --sha256 \(gateway) 9002 >/dev/null"
        try stage.type(command + MoveStage.ends, connects: 1, to: 9002)
        let isHalf = try stage.soon { try stage.connections(to: 9002).map(\.state) == ["FIN-WAIT-2"] }
        #expect(isHalf, "\(stage.transcript)")
        try stage.move(had: 1)
        peer.signal(SIGUSR1)
        let said = try stage.finish()
        let words = try stage.told(peer).joined().split(separator: " ")
        #expect(words.count == 8, "\(words)")
        #expect(said.contains("received \(words[1]) bytes sha256 \(words[7])"), "\(said)\n\(stage.transcript)")
    }
}
