// Moments at which a guest moves: while cards come and go, while passt is started again, while it stands still.

import Glibc
import TestSupport
import Testing

extension MoveRow {
    static let moments: [MoveRow] = [
        MoveRow("while a netdev comes and goes") { stage in
            let peer = try stage.serve("ramp:9001")
            try stage.type("ramp send \(gateway) 9001 2M", connects: 1, to: 9001)
            #expect(try stage.here.lines("migrate -d unix:\(stage.door)") == [])
            let path = "\(stage.ground.directory.path)/extra"
            for command in ["netdev_add stream,id=x,server=on,addr.type=unix,addr.path=\(path)", "netdev_del x"] {
                let said = try stage.here.lines(command).joined()
                // It was done, or it was refused with the reason.
                #expect(said == "" || said.contains("migrat") || said.contains("not found"), "\(command): \(said)")
            }
            try stage.arrive(report: "n: 1 had, 1 moved, 0 lost")
            let sent = try stage.reported(stage.interrupt())
            #expect(try stage.bytes(peer) == sent)
        },
        passtRestart,
        MoveRow("a guest that stands still") { stage in
            try stage.type("nc \(gateway) 9007")
            try stage.converse("before")
            #expect(try stage.here.lines("stop") == [])
            try stage.move(had: 1, isPaused: true)
            #expect(try stage.here.lines("cont") == [])
            try stage.converse("behind")
            try stage.interrupt()
        },
        MoveRow("a guest that stands still while its receive ring fills") { stage in
            let peer = try stage.serve("say:9002:0")
            try stage.type("ramp check \(gateway) 9002" + MoveStage.ends, connects: 1, to: 9002)
            #expect(try stage.here.lines("stop") == [])
            // passt's socket takes what the ring does not.
            #expect(try stage.soon { try stage.connections(to: 9002).contains { $0.unread > 1 << 16 } })
            try stage.move(had: 1, isPaused: true)
            #expect(try stage.here.lines("cont") == [])
            peer.signal(SIGUSR1)
            let received = try stage.reported(stage.finish())
            #expect(try stage.bytes(peer) == received)
        },
        MoveRow("a guest that never ran", words: ["-S"]) { stage in
            try stage.move(had: 0, isPaused: true)
            #expect(try stage.here.lines("cont") == [])
            try stage.here.waitForLease(seconds: 20)
            try stage.type("nc \(gateway) 9007")
            try stage.converse("before")
            try stage.move(had: 1)
            try stage.converse("behind")
            try stage.interrupt()
        },
    ]

    /// The guest waits where it is until there is one.
    static let passtRestart = MoveRow("while passt is started again", isReset: true) { stage in
        try stage.type("nc \(gateway) 9007")
        try stage.converse("before")
        let passt = try #require(try stage.here.passtPID())
        kill(passt, SIGKILL)
        try stage.move(had: 0)
        stage.here.console.write("\u{3}")
        let status = try stage.here.run("curl -sSf -o /dev/null http://\(gateway):8080/bytes/100000", seconds: 40)
            .status
        #expect(status == 0, "\(stage.transcript)")
    }
}
