// kill -9 of netemu, in any phase: no process and no file stays behind.

import CLinux
import Glibc
import TestSupport
import Testing

@Suite("what stays behind when netemu is killed", .serialized)
struct LeftoverTests {
    @Test("killed with a running guest: nothing", arguments: Privilege.available)
    func running(privilege: Privilege) throws {
        try withGround(as: privilege) { ground in
            let session = try ground.session()
            try session.waitForLease()
            #expect(ground.leftovers.count == 1)
            let passt = try #require(try session.passtPID())
            session.child.end()
            try expectNothing(ground, passt: passt)
        }
    }

    @Test("killed at any moment of the start: nothing", arguments: Privilege.available)
    func starting(privilege: Privilege) throws {
        try withGround(as: privilege) { ground in
            // 0 to 60 ms in uneven steps: before, between and after the minder, passt and the connection.
            for step in 0..<16 {
                let netemu = try ground.start(["-nic", "passt,model=virtio,vhost-user=on,path={passt}"])
                usleep(UInt32(step * step * 270))
                netemu.end()
            }
            try expectNothing(ground, passt: nil)
        }
    }

    private func expectNothing(_ ground: Ground, passt: pid_t?) throws {
        ground.peer.end()
        #expect(ground.namespace.isEmpty(within: 20), "\(ground.namespace.processes)")
        if let passt { #expect(eventually { kill(passt, 0) != 0 }) }
        #expect(eventually { ground.leftovers == [] }, "\(ground.leftovers)")
    }
}
