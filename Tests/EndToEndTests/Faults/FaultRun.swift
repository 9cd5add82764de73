// One row carried out: a guest with a counting stream under way moves, something goes wrong at its place, and what comes
// of it is compared with the rules.

import Glibc
import TestSupport

/// A row under way.
final class FaultRun {
    private let row: FaultRow
    private let stage: FaultStage
    private let path: String
    private let peer: Child
    private let port: Int
    private var source: Session
    private let destination: Session
    private let relay: MoveRelay
    private(set) var complaints: [String] = []
    private var seen: [SeenProcess] = []

    /// What is not as the rules say; empty: nothing.
    static func complaints(_ row: FaultRow, _ number: Int, _ stage: FaultStage) -> [String] {
        defer { stage.clear() }
        do {
            let run = try FaultRun(row, number, stage)
            try run.carryOut()
            return run.complaints
        } catch { return ["\(error)"] }
    }

    private init(_ row: FaultRow, _ number: Int, _ stage: FaultStage) throws {
        (self.row, self.stage, port) = (row, stage, 10_000 + number % 20_000)
        path = "\(stage.ground.directory.path)/r\(number)"
        peer = try stage.startPeer(port)
        source = try stage.start(.source, row.backEnd)
        try source.waitForLease(seconds: 20)
        source.console.write("ramp send \(gateway) \(port) 500K\n")
        try peer.wait(for: "ramp: begins")
        destination = try stage.start(.destination, row.backEnd, more: ["-incoming", "unix:\(path)"])
        let target = path
        guard Self.soon({ access(target, F_OK) == 0 }) else {
            throw TestFailure(description: "nobody listens\n\(destination.child.transcript)")
        }
        relay = try MoveRelay(at: "\(path).relay", to: path, holdAt: row.point.place)
    }

    private func session(_ side: Side) -> Session { side == .source ? source : destination }

    private func carryOut() throws {
        // The guest is still to run when its helper is killed: memory takes a while.
        if row.fault == .killHelper(.source) { _ = try source.lines("migrate_set_parameter max-bandwidth 2M") }
        let answer = try source.lines("migrate -d unix:\(path).relay")
        if answer != [] { complaints.append("migrate: \(answer)") }
        let isHeld = try relay.waitForHold()
        checkBoth("at its place")
        for side in Side.allCases { seen += SeenProcess.descendants(of: session(side).child.pid) }
        let progress = FaultRule.progress(relay.news)
        var rule = FaultRule(row.fault, at: progress)
        // The stream was shorter than that, or the phase does not come.
        if !isHeld { rule = FaultRule(.again, at: .started) }
        if isHeld { try strike(progress) }
        try settle(rule)
        try tidyUp()
    }

    /// Half a minute is enough for anything that has no deadline of its own, also where twelve rows run at once.
    private func soon(_ condition: () -> Bool) -> Bool { Self.soon(condition) }

    private static func soon(_ condition: () -> Bool) -> Bool {
        for _ in 0..<3000 {
            if condition() { return true }
            usleep(10_000)
        }
        return condition()
    }

    // MARK: what goes wrong

    private func strike(_ progress: FaultRule.Progress) throws {
        switch row.fault {
        case .cut: relay.cut()
        case .silence: break
        case .kill(let side): session(side).child.end()
        case .stop(let side), .stopLong(let side): kill(session(side).child.pid, SIGSTOP)
        case .quit(let side): session(side).child.write("quit\n")
        case .interrupt(let side): session(side).child.signal(SIGINT)
        case .again: try tryAgain(progress)
        case .killPasst(let side): try killHelper("passt", of: side)
        case .killHelper(let side): try killHelper("netemu-repair", of: side)
        }
        if row.fault != .silence, row.fault != .cut { relay.goOn() }
        try wake()
    }

    /// Who was stopped goes on: soon, or when the other one has decided.
    private func wake() throws {
        switch row.fault {
        case .stop(let side):
            usleep(500_000)
            session(side).child.signal(SIGCONT)
        case .stopLong(let side):
            let other = session(side == .source ? .destination : .source)
            for _ in 0..<600 {
                if try hasDecided(other) { break }
                usleep(100_000)
            }
            session(side).child.signal(SIGCONT)
        default: break
        }
    }

    private func hasDecided(_ session: Session) throws -> Bool {
        guard let state = try state(session) else { return true }
        if state.contains("inmigrate") { return false }
        let move = try session.answer("info migrate")?.first ?? ""
        return ["completed", "failed"].contains { move.contains($0) }
    }

    private func tryAgain(_ progress: FaultRule.Progress) throws {
        let said = try source.lines("migrate unix:\(path)").joined()
        let isKnown = ["There's a migration process in progress", "paused due to previous migration"]
            .contains { said.contains($0) }
        if !isKnown { complaints.append("migrate again: \(said)") }
        let stranger = try stage.start(["-nic", "none"])
        let refusal = try stranger.lines("migrate unix:\(path)").joined()
        if !refusal.contains("Failed to connect") { complaints.append("a stranger's migrate: \(refusal)") }
        if try state(stranger) != "VM status: running" { complaints.append("the stranger does not run") }
        try stranger.quit()
    }

    private func killHelper(_ name: String, of side: Side) throws {
        var found: SeenProcess?
        for _ in 0..<500 where found == nil {
            found = SeenProcess.descendants(of: session(side).child.pid).first { $0.name.hasPrefix(name) }
            usleep(10_000)
        }
        guard let found else { return complaints.append("the \(side.rawValue) has no \(name)") }
        if row.fault == .killHelper(side) { awaitServing(found) }
        kill(found.pid, SIGKILL)
        for _ in 0..<500 where found.isThere { usleep(2000) }
    }

    /// A helper that sleeps is connected to its passt: it waits for nothing else. One look alone may find it between.
    private func awaitServing(_ helper: SeenProcess) {
        var looks = 0
        _ = soon {
            looks = SeenProcess(helper.pid)?.isAsleep == true ? looks + 1 : 0
            return looks > 20
        }
    }

    // MARK: who runs

    /// nil: it has ended.
    private func state(_ session: Session) throws -> String? {
        try session.answer("info status")?.first.map(String.init)
    }

    /// Asked in this order nobody can have handed the guest over in between.
    private func checkBoth(_ when: String) {
        do {
            let first = try state(source)
            let there = try state(destination)
            let again = try state(source)
            let runs = "VM status: running"
            if first == runs, there == runs, again == runs { complaints.append("both run (\(when))") }
        } catch { complaints.append("\(when): \(error)") }
    }

    private func end(of side: Side) throws -> FaultEnd? {
        let session = session(side)
        guard let state = try state(session) else {
            switch session.child.status {
            case .exited(let status): return .exited(status)
            case .signalled(SIGKILL): return .killed
            default: return nil
            }
        }
        let said = try session.answer("info migrate")?.first ?? ""
        if state == "VM status: running" {
            // While its move is under way the guest runs, too.
            return ["failed", "completed"].contains { said.contains($0) } ? .runs : nil
        }
        guard state == "VM status: paused (postmigrate)" else { return nil }
        return said.contains("completed") ? .moved : .uncertain
    }

    /// Waits for what the rules give; that it stays so is asked once more.
    private func settle(_ rule: FaultRule) throws {
        var found: [FaultEnd?] = []
        for round in 0..<600 {
            found = [try end(of: .source), try end(of: .destination)]
            if round % 10 == 0 { checkBoth("later") }
            if let source = found[0], let destination = found[1],
                rule.outcomes.contains(FaultOutcome(source: source, destination: destination))
            {
                return try judge(rule, source, destination)
            }
            usleep(100_000)
        }
        throw TestFailure(description: "it came to \(found), not to \(rule.outcomes)\n\(transcripts)")
    }

    private var transcripts: String {
        "\(relay.news.passed.map { $0.filter { $0 != 2 } }) \(relay.news.bytes)\nsource \(source.child.transcript)\ndestination \(destination.child.transcript)"
    }

    private func expect(_ condition: Bool, _ text: @autoclosure () -> String) {
        if !condition { complaints.append(text()) }
    }

    private func judge(_ rule: FaultRule, _ here: FaultEnd, _ there: FaultEnd) throws {
        if there == .exited(1) { expectOneLine(destination) }
        if here == .runs { expectOneLine(source) }
        var owner = here == .runs ? source : there == .runs ? destination : nil
        if here == .uncertain {
            expect(source.child.errors.contains("nobody knows whether the guest runs"), source.child.transcript)
            if there != .runs {
                _ = try source.lines("cont")
                expect(source.child.errors.contains("two with one address"), source.child.transcript)
                owner = source
                guard soon({ (try? state(source)) == "VM status: running" }) else {
                    return complaints.append("cont does not let it run: \(source.child.transcript)")
                }
            }
        }
        guard let owner else { return }
        try checkGuest(owner, keepsStream: rule.keepsStream)
    }

    /// Why it did not come about, once.
    private func expectOneLine(_ session: Session) {
        let lines = session.child.errors.split(separator: "\n").filter {
            $0.hasPrefix("netemu: ") && !$0.hasPrefix("netemu: warning:")
        }
        expect(lines.count == 1, "not one line: \(session.child.transcript)")
    }

    /// The guest works; its stream has gone on without a fault where it is to.
    private func checkGuest(_ session: Session, keepsStream: Bool) throws {
        if keepsStream {
            // What was on its way before is in the first ones.
            let before = progress
            let goesOn = soon { progress >= before + 4 || session.child.status != nil }
            expect(goesOn, "the stream stands at \(before): \(peer.output.suffix(200))\n\(transcripts)")
        }
        session.console.write("\u{3}")
        expect(!peer.output.contains("wrong"), "\(peer.output.suffix(200))\n\(transcripts)")
        let answer = try session.run("ping -c 2 -i 0.2 \(gateway)", seconds: 30)
        expect(answer.status == 0, "\(answer.output)\n\(transcripts)")
    }

    /// How often the peer has found 64 KiB more to be right.
    private var progress: Int { peer.output.split(separator: "\n").count { $0.hasPrefix("ramp: goes on") } }

    // MARK: afterwards

    private func tidyUp() throws {
        relay.cut()
        for side in Side.allCases where session(side).child.status == nil { try session(side).quit() }
        peer.end()
        for process in seen {
            for _ in 0..<500 where process.isThere { usleep(10_000) }
            expect(!process.isThere, "left behind: \(process)")
        }
        let remains = stage.remains()
        expect(remains.isEmpty, "left behind: \(remains)\n\(transcripts)")
        expect(access(path, F_OK) != 0, "its socket is left behind")
    }
}

extension Session {
    /// The lines of the monitor's answer; nil when netemu has ended instead.
    fileprivate func answer(_ command: String) throws -> [Substring]? {
        guard child.status == nil else { return nil }
        do { return try lines(command, seconds: 40) } catch {
            guard child.status == nil else { return nil }
            throw error
        }
    }
}
