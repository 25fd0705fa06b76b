import Stun

let driver = try Driver.open()
print(try await driver.mappedAddress(of: CommandLine.arguments.last!))
await driver.close()
