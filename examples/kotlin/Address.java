import dev.libstun.Driver;

public class Address {
    public static void main(String[] arguments) throws Exception {
        try (Driver driver = Driver.open()) {
            System.out.println(driver.mappedAddressAsync(arguments[0]).get());
        }
    }
}
