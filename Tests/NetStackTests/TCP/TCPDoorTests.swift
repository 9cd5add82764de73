// The door of a gateway: SYNs for any address and port are held, accepted or refused.

import Bytes
import Link
import Testing

@testable import NetStack

private final class ScriptedDoor: TCPDoor {
    var answer = TCPAdmission.hold
    var asked: [(id: TCPSocketID, remote: Endpoint, local: Endpoint)] = []
    var ended: [(id: TCPSocketID, error: TCPError?)] = []

    func admission(of id: TCPSocketID, from remote: Endpoint, to local: Endpoint) -> TCPAdmission {
        asked.append((id, remote, local))
        return answer
    }
    func ended(_ id: TCPSocketID, _ error: TCPError?) { ended.append((id, error)) }
}

@Suite struct TCPDoorTests {
    private func gateway(
        _ answer: TCPAdmission, _ configuration: TCPConfiguration = .init()
    ) -> (MachineScript<ScriptedStorage>, ScriptedDoor) {
        let s = MachineScript(ScriptedStorage(), anyAddress: true, configuration)
        s.local = Endpoint(IPAddress(203, 0, 113, 9), 4433)
        let door = ScriptedDoor()
        door.answer = answer
        s.door = door
        return (s, door)
    }

    @Test("any address and port: an accepted SYN becomes a connection from there")
    func accept() {
        let (s, door) = gateway(.accept)
        s.peer(Seg(.syn, seq: 0, mss: 1000))
        #expect(door.asked.map(\.local) == [s.local])
        #expect(door.asked.map(\.remote) == [Endpoint(s.peerAddress, 4000)])
        #expect(s.drain().map(\.flags) == [[.syn, .ack]])
        s.peer(Seg(.ack, seq: 1, ack: 1, "hello"))
        #expect(s.storage.incoming == Array("hello".utf8))
        let id = door.asked[0].id
        #expect(s.machine.status(id)?.state == .established)
        #expect(s.machine.status(id)?.local == s.local)
        #expect(door.ended.isEmpty)
        s.machine.release(id, now: s.now)
        #expect(s.drain().map(\.flags) == [[.fin, .ack]])
    }

    @Test("a held SYN is answered when the door says so, however often it comes before")
    func holdThenAdmit() {
        let (s, door) = gateway(.hold)
        for _ in 0..<5 {
            s.peer(Seg(.syn, seq: 0, mss: 1000))
            s.wait(1000)
            #expect(s.drain().isEmpty)
        }
        #expect(door.asked.count == 1)
        #expect(s.storage.calls.isEmpty)
        #expect(s.machine.admit(door.asked[0].id, now: s.now))
        #expect(!s.machine.admit(door.asked[0].id, now: s.now), "once")
        #expect(s.drain().map(\.flags) == [[.syn, .ack]])
        s.peer(Seg(.ack, seq: 1, ack: 1))
        #expect(s.machine.status(door.asked[0].id)?.state == .established)
    }

    @Test("a held SYN is refused by RST that names no sequence number of ours", arguments: [true, false])
    func refuseByReset(atOnce: Bool) {
        let (s, door) = gateway(atOnce ? .refuse(.reset) : .hold)
        s.peer(Seg(.syn, seq: 0))
        if !atOnce {
            #expect(s.drain().isEmpty)
            #expect(s.machine.refuse(door.asked[0].id, .reset, now: s.now))
        }
        s.hostStart = 0
        #expect(s.drain() == [Seg([.rst, .ack], seq: 0, ack: 1)])
        #expect(s.machine.table().isEmpty)
        #expect(!s.machine.refuse(door.asked[0].id, .reset, now: s.now), "its name is gone")
        #expect(door.ended.isEmpty, "who refuses knows it")
    }

    @Test("a SYN refused by ICMP leaves word of what could not be reached")
    func refuseByICMP() {
        let (s, _) = gateway(.refuse(.unreachable(code: 1)))
        s.peer(Seg(.syn, seq: 0))
        #expect(s.drain().isEmpty)
        let said = TCPUnreachable(
            destination: s.local, source: Endpoint(s.peerAddress, 4000), code: 1, sequence: s.peerStart)
        #expect(s.machine.nextUnreachable() == said)
        #expect(s.machine.nextUnreachable() == nil)
        #expect(s.machine.table().isEmpty)
    }

    @Test("words for ICMP that nobody takes are bounded")
    func unreachableBound() {
        let (s, _) = gateway(.refuse(.unreachable(code: 1)))
        for port in 1...1000 {
            s.peerPort = UInt16(port)
            s.peer(Seg(.syn, seq: 0))
        }
        var count = 0
        while s.machine.nextUnreachable() != nil { count += 1 }
        #expect(count == 256)
    }

    @Test("a SYN that is refused in silence is as if it had not come")
    func silence() {
        let (s, _) = gateway(.refuse(.silence))
        s.peer(Seg(.syn, seq: 0))
        #expect(s.drain().isEmpty)
        #expect(s.machine.table().isEmpty && s.machine.nextDeadline == nil)
    }

    @Test(
        "the door hears of what ends before its handshake is done",
        arguments: [Seg(.rst, seq: 1), Seg(.syn, seq: 500)], [TCPAdmission.hold, .accept])
    func endsBefore(seg: Seg, answer: TCPAdmission) {
        let (s, door) = gateway(answer)
        s.peer(Seg(.syn, seq: 0))
        _ = s.drain()
        s.peer(seg)
        #expect(door.ended.map(\.error) == [.connectionReset])
        #expect(s.machine.status(door.asked[0].id) == nil)
        #expect(!s.machine.admit(door.asked[0].id, now: s.now))
    }

    @Test("a door that never decides keeps nothing for ever")
    func undecided() {
        let (s, door) = gateway(.hold)
        s.peer(Seg(.syn, seq: 0))
        s.wait(140_000)
        #expect(door.ended.map(\.error) == [.timedOut])
        #expect(s.machine.table().isEmpty && s.machine.nextDeadline == nil)
        #expect(s.drain().isEmpty)
    }

    @Test("connections in the door's hands are bounded; one that leaves makes room")
    func bound() {
        var configuration = TCPConfiguration()
        configuration.maximumOffered = 3
        let (s, door) = gateway(.hold, configuration)
        for port in 1...10 {
            s.peerPort = UInt16(port)
            s.peer(Seg(.syn, seq: 0))
        }
        #expect(door.asked.count == 3)
        #expect(s.machine.counters.overflowed == 7)
        #expect(s.machine.refuse(door.asked[1].id, .silence, now: s.now))
        s.peer(Seg(.syn, seq: 0))
        #expect(door.asked.count == 4)
    }

    @Test("a listener comes before the door, and an ACK that nobody knows gets RST")
    func listenerFirst() throws {
        let (s, door) = gateway(.refuse(.silence))
        let listener = try s.machine.listen(on: 4433)
        s.peer(Seg(.syn, seq: 0))
        #expect(s.drain().map(\.flags) == [[.syn, .ack]])
        s.peer(Seg(.ack, seq: 1, ack: 1))
        #expect(s.machine.accept(listener) != nil)
        s.peerPort = 9
        s.peer(Seg(.ack, seq: 1, ack: 1))
        #expect(s.drain().map(\.flags) == [.rst])
        #expect(door.asked.isEmpty)
    }

    @Test("a held connection that its owner gives back is gone without a word")
    func releaseHeld() {
        let (s, door) = gateway(.hold)
        s.peer(Seg(.syn, seq: 0))
        s.machine.release(door.asked[0].id, now: s.now)
        #expect(s.drain().isEmpty)
        #expect(s.machine.table().isEmpty)
    }
}
