// Package onlineretail turns the invoices of the data set Online Retail into orders of the shop, through its REST API.
//
// The data set (Chen, D.: Online Retail. UCI Machine Learning Repository, 2015, doi 10.24432/C5BW33) has a line for each item of an invoice: number of the invoice, stock
// code, description, quantity, date, unit price in pounds, customer, country. Read makes a Plan of a file; Run carries it out.
//
//   - The shop is the price authority and has one price a product, but the file sells one stock code at several. So there is a product for each pair of
//     stock code and unit price: the price at which a code is sold most often has the bare code, each other has the code with the pence: 22139-425.
//   - Each SKU receives the stock that all orders of the file need.
//   - Each invoice becomes one order. A line that cannot be part of one (a cancellation, postage, a price of zero, …) is reported with its reason; the others
//     of its invoice are ordered all the same. Nothing is dropped in silence: lines in the file = lines ordered + lines reported.
//
// A plan depends on nothing but the content of the file, and every request has a key made of it, so that running it twice is running it once (as long as
// the shop remembers keys: seven days).
package onlineretail
