// netemu's node as a guest that moves: `echod` for the connections; what writes memory is a download without end, through
// the rings and socket buffers of the node. Only the first process forwards the port: connections need no listener.

import Glibc
import TestSupport

final class MovingNetemu: MovingProgram {
    static let name = "netemu"
    private let move: MoveCase
    private let ground: Ground
    private var here: Session
    private var moves = 0

    init(_ move: MoveCase, on ground: Ground) throws {
        (self.move, self.ground) = (move, ground)
        here = try ground.session(words: Self.words(move, ports: ",tcp-ports=\(MoveCase.port)"))
        try here.waitForLease()
    }

    private static func words(_ move: MoveCase, ports: String = "") -> [String] {
        [
            "-m", move.memory, "-netdev", "passt,id=n,path={passt},vhost-user=on\(ports)", "-device",
            "virtio-net-pci,netdev=n", "-guest", "node,run=echod \(MoveCase.port)",
        ]
    }

    func beBusy() { here.console.write("nc \(gateway) \(MoveCase.port + 1) > /dev/null\n") }

    func move(_ watch: (() throws -> Void) throws -> Double) throws -> MoveFigures {
        moves += 1
        let path = "\(ground.directory.path)/m\(moves)"
        let there = try ground.session(words: Self.words(move) + ["-incoming", "unix:\(path)"])
        for _ in 0..<1000 where access(path, F_OK) != 0 { pause(milliseconds: 5) }
        var figures = MoveFigures()
        figures.gap = try watch {
            let answer = try here.lines("migrate unix:\(path)")
            guard answer.isEmpty else { throw TestFailure(description: "\(answer)\n\(here.child.transcript)") }
        }
        let said = try here.monitor("info migrate")
        let heard = try there.monitor("info migrate")
        figures.total = moveFigure("total", in: said, line: "Time (ms)")
        figures.down = ["stop", "save", "load", "resume"].reduce(0) {
            $0 + moveFigure($1, in: said, line: "Phases (ms)")
        }
        figures.save = moveFigure("save", in: said, line: "Back-ends (ms)")
        figures.load = moveFigure("load", in: heard, line: "Back-ends (ms)")
        figures.sentMebibytes = moveSize("transferred", in: said)
        figures.pages = moveFigure("normal", in: said, line: "    Page Types")
        try here.quit()
        here = there
        return figures
    }
}
