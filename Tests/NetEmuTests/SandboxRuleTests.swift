// The rules of the sandbox as values.

import Glibc
import Linux
import Testing

@testable import NetEmu

@Suite("what the sandbox lets pass")
struct SandboxRuleTests {
    private func allows(_ rules: [SystemCallRule], _ pid: CInt, _ signal: CInt) -> Bool {
        let arguments = [UInt64(UInt32(bitPattern: pid)), UInt64(UInt32(bitPattern: signal))]
        return rules.contains { $0.holds(for: "kill", arguments) }
    }

    @Test("a group is killed by number where the kernel knows no other way, every process never is")
    func groups() {
        let old = ProgramSandbox.rules(SandboxPlan(), killsGroupsByNumber: true)
        let new = ProgramSandbox.rules(SandboxPlan())
        for group: CInt in [-2, -3, -4711, -65536, -1 << 22] {
            #expect(allows(old, group, SIGKILL) && !allows(new, group, SIGKILL))
            #expect(!allows(old, group, SIGTERM))
        }
        for pid: CInt in [-1, 0, 1, 4711, -(1 << 22) - 1, .min] { #expect(!allows(old, pid, SIGKILL), "\(pid)") }
        #expect(allows(old, getpid(), SIGTSTP) && allows(new, getpid(), SIGTSTP))
    }
}
