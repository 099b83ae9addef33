export default ({ data }) => data * 2;
