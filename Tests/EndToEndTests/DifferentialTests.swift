// Random command lines, the same in every run, through QEMU and through netemu: exit status, first error and what the
// monitor shows. By hand, with other seeds: Tests/Programs/differential/differential.py QEMU NETEMU --lines N --seed N.

import TestSupport
import Testing

@Suite("generated command lines", .serialized)
struct DifferentialTests {
    @Test("QEMU and netemu do the same, but for what is intended", arguments: [1, 2])
    func lines(seed: Int) throws {
        let qemu = try Peers.find("qemu-system-x86_64").require()
        let netemu = try Peers.built("netemu").require()
        let program = Peers.packageRoot + "/Tests/Programs/differential/differential.py"
        try withNamespace(as: .mapped) { namespace in
            let child = try namespace.start([
                "/usr/bin/python3", program, qemu, netemu, "--lines", "60", "--seed", "\(seed)",
            ])
            #expect(try child.wait(seconds: 300) == .exited(0), "\(child.transcript)")
            #expect(child.output.contains(" equal"))
        }
    }
}
